"""What is answered when the connection to the database is lost."""

from uuid import uuid4

import pytest
from django.db import connection

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from audit.actors.actors import SYSTEM, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.messages.exceptions import ConnectionLost, Crashed, OutcomeUnknown
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord
from tests.books import all_but_records, assert_balanced, attempts
from tests.conftest import AS_SYSTEM, policy
from tests.probes import deed, to
from tests.severed import Cut, pausing, refusing, until_blocked
from tests.test_story import call
from tests.threads import Crowd


def assert_one_key_and_its_secret_works(outcome, client) -> None:
    """What was answered is so."""
    assert isinstance(outcome, Completed)
    assert ApiKey.objects.get() == outcome.result
    assert attempts(outcome.command_id) == [(1, "succeeded", "")]
    assert call(client, "GET", "/api/v2/whoami", key=outcome.secret).status_code == 200
    assert_balanced()


def test_a_command_whose_commit_was_done_is_answered_although_the_answer_was_lost(
    wire, creation, client
):
    wire.cut(Cut.AFTER_COMMIT)

    outcome = creation()

    assert_one_key_and_its_secret_works(outcome, client)


def test_a_command_whose_commit_is_still_being_done_is_waited_for(wire, owner, creation, client):
    wire.cut(Cut.DURING_COMMIT)
    with Crowd(1) as crowd, pausing(owner, "apikeys_apikey", at_commit=True) as go_on:
        answer = crowd.start(creation)
        # The COMMIT, and who wants to know what came of it.
        until_blocked(owner, how_many=2)
        go_on()
        outcome = answer.result()

    assert_one_key_and_its_secret_works(outcome, client)


def test_a_command_whose_commit_was_never_received_has_failed(wire, creation):
    before = all_but_records()
    wire.cut(Cut.BEFORE_COMMIT)

    with pytest.raises(ConnectionLost) as failure:
        creation()

    assert all_but_records() == before
    assert attempts(failure.value.command_id) == [(1, "failed", "connection_lost")]


@pytest.mark.parametrize(
    ("where", "truth"),
    [(Cut.AFTER_COMMIT, [(1, "succeeded", "")]), (Cut.BEFORE_COMMIT, [])],
)
def test_nobody_is_told_what_cannot_be_known(wire, creation, monkeypatch, where, truth):
    wire.cut(where, stays_down=True)

    with pytest.raises(OutcomeUnknown) as failure:
        creation()

    monkeypatch.undo()
    assert failure.value.command_id
    assert attempts(failure.value.command_id) == truth


def test_a_command_that_is_sent_while_the_database_is_down_has_failed(wire, first_key):
    connection.close()
    wire.close()

    with pytest.raises(ConnectionLost) as failure:
        dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    assert failure.value.command_id


def test_a_vote_whose_commit_was_done_is_answered_although_the_answer_was_lost(
    wire, first_key, security, ann
):
    policy("apikeys.disable", group=security, quorum=1)
    held = dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    request = ApprovalRequest.objects.get(command_id=held.command_id)
    wire.cut(Cut.AFTER_COMMIT)

    outcome = dispatch(
        Approve(approval_request_id=request.pk, digest=request.digest),
        context=Context(actor=actor_for_user(ann)),
    )

    assert isinstance(outcome, Completed)
    assert attempts(outcome.command_id) == [(1, "succeeded", "")]
    assert attempts(held.command_id) == [(1, "postponed", ""), (2, "succeeded", "")]
    assert not ApiKey.objects.get().is_enabled
    assert_balanced()


def test_a_batch_whose_commit_was_done_is_answered_although_the_answer_was_lost(wire, first_key):
    wire.cut(Cut.AFTER_COMMIT)

    outcomes = dispatch_all(
        [DisableApiKey(api_key_id=first_key.id), EnableApiKey(api_key_id=first_key.id)],
        context=Context(actor=SYSTEM),
    )

    assert [type(outcome) for outcome in outcomes] == [Completed, Completed]
    assert [attempts(outcome.command_id) for outcome in outcomes] == [[(1, "succeeded", "")]] * 2
    assert_balanced()


@deed
def reveal_something_new(command, context):
    context.reveal(str(uuid4()))


def test_a_repeat_whose_commit_was_lost_hands_out_no_secret_when_another_one_came_through(
    wire, owner, first_key
):
    def reveal():
        context = Context(actor=SYSTEM, idempotency_key="reveal")
        return dispatch(to(reveal_something_new, first_key.id), context=context)

    with refusing(owner, "audit_eventrecord"), pytest.raises(Crashed) as failure:
        reveal()
    with Crowd(1) as crowd:
        others = []

        def meanwhile():
            others.append(crowd.start(reveal))
            until_blocked(owner, how_many=1)

        wire.cut(Cut.BEFORE_COMMIT, meanwhile=meanwhile)
        answer = reveal()
        other = others[0].result()

    assert answer.command_id == other.command_id == failure.value.command_id
    assert attempts(other.command_id) == [(1, "failed", "crashed"), (2, "succeeded", "")]
    assert (answer.secret, bool(other.secret)) == (None, True)
    assert (answer.is_repeat, other.is_repeat) == (True, False)
    assert_balanced()


@deed
def lose_the_connection(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_command_that_loses_the_connection_on_its_way_has_failed(first_key):
    before = all_but_records()

    with pytest.raises(ConnectionLost) as failure:
        dispatch(to(lose_the_connection, first_key.id), context=AS_SYSTEM)

    assert all_but_records() == before
    assert attempts(failure.value.command_id) == [(1, "failed", "connection_lost")]


def test_a_repeat_after_a_lost_answer_is_told_that_it_worked(wire, acme, dana):
    def create():
        command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
        context = Context(actor=actor_for_user(dana), idempotency_key="once")
        return dispatch(command, context=context)

    wire.cut(Cut.AFTER_COMMIT)

    first, second = create(), create()

    assert second.is_repeat
    assert second.command_id == first.command_id
    assert second.result == first.result
    assert (bool(first.secret), second.secret) == (True, None)
    assert ApiKey.objects.count() == 1
    assert CommandRecord.objects.filter(message_type="apikeys.create").count() == 1
