"""Expiry: a request that is late is over, whoever looks, and a command writes it down."""

from datetime import timedelta

import pytest

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import ExpireRequest, Withdraw
from approvals.models import Vote
from approvals.models.refusals import NotYetExpired, TooLate
from audit.bus import postponements
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Forbidden
from audit.models.records import CommandRecord, EventRecord
from tests.books import assert_balanced, attempts
from tests.conftest import AS_SYSTEM, completed, create_key, policy
from tests.processes import take_steps
from tests.tampering import let_time_pass


def expire():
    """Let the processes run, and return how many requests have expired."""
    before = expired().count()
    take_steps()
    return expired().count() - before


def expired():
    return EventRecord.objects.filter(message_type="approvals.expired")


def test_a_late_request_is_expired_before_anything_wrote_it_down(waiting, owner):
    let_time_pass(owner, waiting)

    assert (waiting.state, waiting.present_state) == ("pending", "expired")
    assert postponements.progress(waiting.command_id).state == "expired"


def test_the_list_has_it_among_the_expired(waiting, ann, browser, owner):
    let_time_pass(owner, waiting)
    client, path = browser(ann), "/admin/approvals/approvalrequest/"

    assert str(waiting.pk) not in client.get(path).content.decode()
    listed = client.get(path, {"tab": "done", "state": "expired"}).content.decode()
    assert str(waiting.pk) in listed
    assert "status-expired" in listed


def test_one_may_ask_again_for_what_is_late(waiting, hold, first_key, dana, context_of, owner):
    let_time_pass(owner, waiting)

    again = hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert (again.pk != waiting.pk, again.present_state) == (True, "pending")


def test_no_one_votes_on_it_or_withdraws_it(waiting, ann, dana, approve, deny, context_of, owner):
    let_time_pass(owner, waiting)

    with pytest.raises(TooLate):
        approve(waiting, ann)
    with pytest.raises(TooLate):
        deny(waiting, ann)
    with pytest.raises(TooLate):
        completed(Withdraw(approval_request_id=waiting.pk), context=context_of(dana))

    assert not Vote.objects.exists()
    assert CommandRecord.objects.filter(error_code="too_late", status="refused").count() == 3


def test_the_command_writes_it_down_and_calls_the_held_command_off(waiting, owner):
    let_time_pass(owner, waiting)

    assert expire() == 1

    waiting.refresh_from_db()
    assert waiting.state == "expired"
    assert waiting.outcome.startswith("No decision was made by")
    assert attempts(waiting.command_id) == [(1, "postponed", ""), (2, "cancelled", "expired")]
    event = EventRecord.objects.get(message_type="approvals.expired")
    assert event.correlation_id == waiting.command_id
    assert_balanced()


def test_it_expires_what_is_late_and_nothing_else_once(
    waiting, hold, dana, acme, context_of, owner
):
    other = hold(
        DisableApiKey(api_key_id=create_key(dana, acme, name="second").id),
        context=context_of(dana),
    )
    let_time_pass(owner, other)

    assert [expire(), expire()] == [1, 0]

    waiting.refresh_from_db()
    assert waiting.state == "pending"


def test_a_request_that_an_approver_is_deciding_is_skipped(waiting, owner):
    let_time_pass(owner, waiting)

    with owner.transaction():
        owner.execute("SELECT FROM approvals_approvalrequest FOR UPDATE")
        assert expire() == 0

    assert not CommandRecord.objects.filter(message_type="approvals.expire").exists()
    assert expire() == 1


def test_what_is_not_late_does_not_expire(waiting):
    with pytest.raises(NotYetExpired):
        dispatch(ExpireRequest(approval_request_id=waiting.pk), context=AS_SYSTEM)


def test_only_the_system_expires_a_request(waiting, ann, context_of, owner):
    let_time_pass(owner, waiting)

    with pytest.raises(Forbidden):
        dispatch(ExpireRequest(approval_request_id=waiting.pk), context=context_of(ann))


def test_enough_approvals_after_the_time_to_execute_carry_nothing_out(
    waiting, ann, bob, approve, owner
):
    approve(waiting, ann)
    let_time_pass(owner, waiting, column="execute_by")

    request = approve(waiting, bob)

    assert (request.state, request.outcome_code) == ("refused", "conflict")
    assert "could be executed until" in request.outcome
    assert attempts(waiting.command_id) == [(1, "postponed", ""), (2, "cancelled", "too_late")]
    settled = EventRecord.objects.get(message_type="approvals.settled")
    assert (settled.subject_id, settled.data["state"]) == (str(waiting.pk), "refused")
    assert ApiKey.objects.get().is_enabled
    assert_balanced()


def test_the_time_to_execute_comes_from_the_policy(
    hold, first_key, dana, security, ann, context_of
):
    day = timedelta(days=1)
    policy("apikeys.disable", group=security, quorum=1, execute_within=day, approve_within=day / 2)

    request = hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert request.execute_by - request.requested_at == day
    assert request.approve_by - request.requested_at == day / 2
