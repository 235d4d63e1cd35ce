"""A replay that fails, and what becomes of the vote that released it."""

from contextlib import suppress
from functools import partial
from threading import Event

import pytest
from django.db import connection
from psycopg.errors import DeadlockDetected

from apikeys.commands import AddMember, DisableApiKey
from apikeys.models import ApiKey, Membership
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from audit.actors.actors import actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import TimedOut
from audit.messages.outcomes import Completed, Postponed
from audit.models.records import CommandRecord
from tests.books import assert_balanced, attempts, numbers
from tests.conftest import AS_SYSTEM, create_key, policy
from tests.probes import Broken, deed, to
from tests.processes import take_steps
from tests.severed import pausing, until_blocked
from tests.threads import Crowd, until


@pytest.fixture
def one_approves(security, ann):
    """Policies by which one of Security approves before a key is created, or a probe is sent."""
    for governs in ("apikeys.create", "tests.probe"):
        policy(governs, group=security, quorum=1)


@pytest.fixture
def second_key(dana, acme):
    """Another key of Dana's. To be asked for before the policies."""
    return create_key(dana, acme, name="second")


def hold(command) -> ApprovalRequest:
    """Have a command held, and return what is to be approved."""
    outcome = dispatch(command, context=AS_SYSTEM)
    assert isinstance(outcome, Postponed)
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


def approval(request, person):
    """An approval that is still to be sent."""
    command = Approve(approval_request_id=request.pk, digest=request.digest)
    return partial(dispatch, command, context=Context(actor=actor_for_user(person)))


def assert_vote_is_kept(request, *, state: str) -> None:
    """One vote was counted, and the request ended so."""
    request.refresh_from_db()
    assert request.state == state
    assert [vote.decision for vote in request.votes.all()] == ["approve"]
    assert_balanced()


@deed
def disable_and_fail(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()
    raise Broken("in the replay")


@deed
def disable_another_way_and_fail(command, context):
    dispatch(DisableApiKey(api_key_id=command.api_key_id))
    raise Broken("in the replay")


def test_a_replay_that_crashes_keeps_the_vote(first_key, one_approves, ann):
    request = hold(to(disable_and_fail, first_key.id))

    outcome = approval(request, ann)()

    assert isinstance(outcome, Completed)
    assert attempts(request.command_id) == [(1, "postponed", ""), (2, "failed", "crashed")]
    assert ApiKey.objects.get().is_enabled
    assert_vote_is_kept(request, state="failed")


def test_what_a_crashed_replay_had_dispatched_is_on_record(first_key, one_approves, ann):
    request = hold(to(disable_another_way_and_fail, first_key.id))

    approval(request, ann)()

    inner = CommandRecord.objects.get(message_type="apikeys.disable")
    assert (inner.status, inner.error_code) == ("failed", "rolled_back")
    assert ApiKey.objects.get().is_enabled
    assert_vote_is_kept(request, state="failed")


def test_a_replay_that_breaks_a_deferred_constraint_keeps_the_vote(acme, security, ann):
    policy("apikeys.add_member", group=security, quorum=1)
    request = hold(AddMember(customer_id=acme.pk, user_id=987_654_321))

    outcome = approval(request, ann)()

    assert isinstance(outcome, Completed)
    assert attempts(request.command_id) == [(1, "postponed", ""), (2, "failed", "crashed")]
    record = CommandRecord.objects.get(command_id=request.command_id, attempt=2)
    assert "violates foreign key constraint" in record.error_message
    assert not Membership.objects.filter(user_id=987_654_321).exists()
    assert_vote_is_kept(request, state="failed")


@deed
def lock_both(command, context):
    """Lock this key, then every other one."""
    ApiKey.objects.select_for_update().get(pk=command.api_key_id)
    list(ApiKey.objects.select_for_update().exclude(pk=command.api_key_id))


def test_a_replay_that_ends_in_a_deadlock_runs_again_with_its_vote(
    owner, first_key, second_key, one_approves, ann
):
    rounds = 0
    while True:
        rounds += 1
        request = hold(to(lock_both, first_key.id))
        # It waits for us. When we wait for it too, it is the first to notice, and is broken off;
        # on a machine that stands still for a second, we are, and do it all again.
        with suppress(DeadlockDetected), Crowd(1) as crowd, owner.transaction():
            lock(owner, second_key.id)
            answer = crowd.start(approval(request, ann))
            until_blocked(owner, how_many=1)
            lock(owner, first_key.id)
            break
    outcome = answer.result()

    assert isinstance(outcome, Completed), outcome
    assert CommandRecord.objects.get(command_id=outcome.command_id).retries == 1
    assert attempts(request.command_id) == [(1, "postponed", ""), (2, "succeeded", "")]
    assert numbers(first_key.id) == [*range(1, rounds + 2)]
    assert_vote_is_kept(request, state="executed")


@deed
def lock_impatiently(command, context):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
    ApiKey.objects.select_for_update().get(pk=command.api_key_id)


def test_a_replay_that_times_out_takes_the_vote_back_so_that_it_may_be_cast_again(
    owner, first_key, one_approves, ann
):
    request = hold(to(lock_impatiently, first_key.id))

    with owner.transaction():
        lock(owner, first_key.id)
        with pytest.raises(TimedOut) as failure:
            approval(request, ann)()
    second = approval(request, ann)()

    assert isinstance(second, Completed)
    assert attempts(failure.value.command_id) == [(1, "failed", "timeout")]
    assert attempts(request.command_id) == [
        (1, "postponed", ""),
        (2, "failed", "rolled_back"),
        (3, "succeeded", ""),
    ]
    assert_vote_is_kept(request, state="executed")


def test_a_release_that_times_out_does_not_undo_what_completed_the_request(
    owner, first_key, globex, security, ann, bob
):
    policy("tests.probe", group=security, quorum=2)
    request = hold(to(lock_impatiently, first_key.id))
    approval(request, ann)()
    ann.groups.remove(security)
    approval(request, bob)()
    ann.groups.add(security)

    with owner.transaction():
        lock(owner, first_key.id)
        outcome = dispatch(AddMember(customer_id=globex.pk, user_id=ann.pk), context=AS_SYSTEM)
    request.refresh_from_db()
    assert (type(outcome), request.state) == (Completed, "pending")
    take_steps()

    request.refresh_from_db()
    assert request.state == "executed"
    records = CommandRecord.objects.filter(message_type="approvals.release").order_by("pk")
    assert [each.status for each in records] == ["failed", "succeeded"]
    assert records[0].error_code == "timeout"
    assert attempts(request.command_id) == [
        (1, "postponed", ""),
        (2, "failed", "rolled_back"),
        (3, "succeeded", ""),
    ]
    assert_balanced()


def test_a_replay_that_meets_the_late_record_of_another_one_runs_again_with_its_vote(
    owner, first_key, one_approves, ann, bob
):
    first_began, second_began = Event(), Event()

    @deed
    def take_too_long_at_first(command, context):
        if not first_began.is_set():
            first_began.set()
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '50ms'")
                cursor.execute("SELECT pg_sleep(30)")
        second_began.set()
        until(CommandRecord.objects.filter(command_id=context.command_id, attempt=2).exists)

    request = hold(to(take_too_long_at_first, first_key.id))

    with (
        Crowd(2) as crowd,
        pausing(owner, "audit_commandrecord", when="NEW.error_code = 'timeout'") as go_on,
    ):
        first = crowd.start(approval(request, ann))
        until_blocked(owner, how_many=1)
        second = crowd.start(approval(request, bob))
        assert second_began.wait(60)
        go_on()
        answers = first.result(), second.result()

    assert [type(answer) for answer in answers] == [TimedOut, Completed]
    assert CommandRecord.objects.get(command_id=answers[1].command_id).retries == 1
    assert attempts(request.command_id) == [
        (1, "postponed", ""),
        (2, "failed", "rolled_back"),
        (3, "succeeded", ""),
    ]
    assert_vote_is_kept(request, state="executed")


def lock(owner, api_key_id) -> None:
    """Lock a key's row, as anybody might."""
    owner.execute("SELECT FROM apikeys_apikey WHERE id = %s FOR UPDATE", [api_key_id])
