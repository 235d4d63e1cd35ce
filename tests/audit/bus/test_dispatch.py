"""The bus: one transaction, every attempt on record."""

from functools import partial

import pytest
import structlog.testing
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, refuse_input
from audit.entry.shell import carry_out
from audit.messages.exceptions import Crashed, FieldError, IdempotencyKeyReused, Invalid
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord, EventRecord
from tests.notes.handlers import WriteNote
from tests.notes.models import Note
from tests.probes import Broken, deed, to
from tests.threads import Crowd


def test_a_command_its_events_and_its_history_commit_together(first_key, dana, context_of):
    outcome = dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert isinstance(outcome, Completed)
    record = CommandRecord.objects.get(command_id=outcome.command_id)
    event = EventRecord.objects.get(command_id=outcome.command_id)
    assert record.status == "succeeded"
    assert event.number == 2
    row = outcome.result.history.first()
    assert row.history_command_id == outcome.command_id


def test_a_command_without_an_actor_is_rejected(first_key):
    with pytest.raises(TypeError, match="needs a context with an actor"):
        dispatch(DisableApiKey(api_key_id=first_key.id))
    with pytest.raises(TypeError, match="'actor'"):
        Context(channel="api")

    assert not CommandRecord.objects.filter(message_type="apikeys.disable").exists()
    carry_out(DisableApiKey(api_key_id=first_key.id), reason="A management command")
    assert CommandRecord.objects.get(message_type="apikeys.disable").actor_kind == "system"


def test_of_unreadable_input_fifty_errors_are_recorded_with_short_names(dana, context_of):
    errors = [FieldError("x" * 200, "invalid", "is wrong") for _ in range(60)]

    with pytest.raises(Invalid):
        refuse_input(DisableApiKey, Invalid(errors=errors), context=context_of(dana))

    recorded = CommandRecord.objects.get(status="refused").data["errors"]
    assert len(recorded) == 50
    assert {len(each["field"]) for each in recorded} == {100}


def test_a_command_that_could_not_be_serialized_runs_again(first_key, dana, context_of):
    runs = []

    @deed
    def fail_to_serialize_once(command, context):
        runs.append(context.command_id)
        if len(runs) == 1:
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")

    outcome = dispatch(to(fail_to_serialize_once, first_key.id), context=context_of(dana))

    assert isinstance(outcome, Completed)
    assert CommandRecord.objects.get(command_id=outcome.command_id).retries == 1


def test_a_crash_is_logged_with_its_traceback(first_key, dana, context_of):
    @deed
    def crash(command, context):
        raise Broken("out of order")

    with structlog.testing.capture_logs() as lines, pytest.raises(Crashed):
        dispatch(to(crash, first_key.id), context=context_of(dana))

    (line,) = [line for line in lines if line["event"] == "command failed"]
    assert (line["log_level"], line["message_type"]) == ("error", "tests.probe")
    assert "Broken: out of order" in line["traceback"]


def test_a_logged_traceback_quotes_no_values_of_rows(first_key, dana, context_of):
    @deed
    def repeat_a_name(command, context):
        User.objects.create(username="dana")

    with structlog.testing.capture_logs() as lines, pytest.raises(Crashed):
        dispatch(to(repeat_a_name, first_key.id), context=context_of(dana))

    (line,) = [line for line in lines if line["event"] == "command failed"]
    assert "auth_user_username_key" in line["traceback"]
    assert "(dana)" not in line["traceback"]


def test_an_error_after_commit_is_logged(first_key, dana, context_of):
    @deed
    def queue_a_job(command, context):
        def unreachable():
            raise Broken("no queue")

        # As with the backend of another project: ours logs such errors itself.
        BaseDatabaseWrapper.on_commit(connections["default"], unreachable)

    with structlog.testing.capture_logs() as lines:
        outcome = dispatch(to(queue_a_job, first_key.id), context=context_of(dana))

    (line,) = [line for line in lines if line["event"] == "failed after commit"]
    assert (line["log_level"], line["command_id"]) == ("error", str(outcome.command_id))
    assert "Broken: no queue" in line["traceback"]


def test_asynchronous_code_dispatches_in_a_thread(first_key, dana, context_of):
    context = context_of(dana)

    async def disable():
        return await sync_to_async(dispatch)(
            DisableApiKey(api_key_id=first_key.id), context=context
        )

    outcome = async_to_sync(disable)()

    assert CommandRecord.objects.get(command_id=outcome.command_id).status == "succeeded"


def test_asynchronous_code_that_dispatches_directly_is_told_what_to_do(first_key, dana, context_of):
    context, before = context_of(dana), CommandRecord.objects.count()

    async def disable():
        return dispatch(DisableApiKey(api_key_id=first_key.id), context=context)

    with pytest.raises(SynchronousOnlyOperation, match="use a thread or sync_to_async"):
        async_to_sync(disable)()

    assert CommandRecord.objects.count() == before
    assert ApiKey.objects.get(pk=first_key.id).is_enabled


@pytest.mark.parametrize("tenants", [set(), {"acme", "globex"}])
def test_an_actor_for_several_tenants_or_none_must_name_one(tenants):
    actor = Actor(kind="user", id="1", label="dana", person_id="1", tenants=frozenset(tenants))
    context = Context(actor=actor)

    with pytest.raises(Invalid) as refusal:
        dispatch(WriteNote(tenant=context.actor.home_tenant(), text="Whose?"), context=context)

    assert [(each.field, each.code) for each in refusal.value.errors] == [("tenant", "required")]
    assert not Note.objects.exists()


def test_a_failure_after_a_twin_succeeded_is_answered_with_the_outcome_of_the_twin(
    first_key, dana, context_of
):
    """The twin has the same Idempotency-Key and commits while the first still runs."""
    runs = []

    @deed
    def fail_after_a_twin(command, context):
        runs.append(context.command_id)
        if len(runs) == 1:
            again = partial(dispatch, command, context=context_of(dana, idempotency_key="once"))
            with Crowd(1) as crowd:
                crowd.start(again).result(60)
            raise Broken("too late")

    command = to(fail_after_a_twin, first_key.id)
    outcome = dispatch(command, context=context_of(dana, idempotency_key="once"))

    assert isinstance(outcome, Completed)
    assert outcome.is_repeat
    assert outcome.command_id == CommandRecord.objects.get(message_type="tests.probe").command_id


@pytest.mark.parametrize("fails", [False, True])
def test_another_command_under_the_same_key_that_commits_first_is_no_twin(
    fails, first_key, dana, context_of
):
    @deed
    def be_overtaken(command, context):
        other = DisableApiKey(api_key_id=first_key.id)
        send = partial(dispatch, other, context=context_of(dana, idempotency_key="once"))
        with Crowd(1) as crowd:
            assert isinstance(crowd.start(send).result(60), Completed)
        if fails:
            raise Broken("too late")

    with pytest.raises(IdempotencyKeyReused):
        dispatch(to(be_overtaken, first_key.id), context=context_of(dana, idempotency_key="once"))

    refused = CommandRecord.objects.get(message_type="tests.probe")
    assert (refused.status, refused.error_code) == ("refused", "idempotency_key_reused")
    assert refused.idempotency_key is None
