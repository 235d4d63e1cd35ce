"""Reminders of deadlines: after half and nine tenths of the time, once each."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.commands import DisableApiKey
from approvals.decisions.commands import RemindOfDeadline
from approvals.models import ApprovalRequest
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Forbidden
from audit.models.processes import ProcessInstance
from audit.models.records import EventRecord
from tests import mails
from tests.conftest import create_key
from tests.processes import take_steps
from tests.tampering import rewrite

HOURS = timedelta(hours=1)


@pytest.fixture
def reminding():
    """The process of reminders as it was at a time: it has sent all reminders up to then."""
    take_steps()

    def since(time):
        state = {"last_at": time.isoformat()}
        ProcessInstance.objects.filter(process="approvals.reminders").update(state=state)

    return since


def let_pass(owner, request, share):
    """Change the times of a request of ten hours so that this share of them has passed."""
    start = timezone.now() - 10 * HOURS * share
    rewrite(owner, request, requested_at=start, approve_by=start + 10 * HOURS)


def near():
    found = EventRecord.objects.filter(message_type="approvals.deadline_near")
    return [each.data["percent"] for each in found.order_by("position")]


def test_approvers_are_reminded_once_after_half_of_the_time(
    waiting, ann, bob, approve, owner, reminding
):
    bob.email = "bob@example.com"
    bob.save()
    approve(waiting, ann)
    let_pass(owner, waiting, 0.4)
    take_steps()
    assert near() == []

    reminding(timezone.now() - HOURS)
    let_pass(owner, waiting, 0.55)
    mails.forget()
    take_steps()
    take_steps()

    assert near() == [50]
    (message,) = mails.sent()
    assert (message.to, "Reminder" in message.subject) == (["bob@example.com"], True)


def test_towards_the_end_the_policy_owners_are_notified(waiting, policy_owners, owner, reminding):
    (olga, *_) = policy_owners
    olga.email = "olga@example.com"
    olga.save()
    reminding(timezone.now() - HOURS)
    let_pass(owner, waiting, 0.95)
    mails.forget()
    take_steps()

    assert near() == [90]
    assert EventRecord.objects.filter(message_type="approvals.escalated").count() == 1
    (message,) = mails.sent()
    assert (message.to, "Escalated" in message.subject) == (["olga@example.com"], True)


def test_many_requests_are_reminded_of_in_several_transactions(
    waiting, hold, dana, acme, owner, context_of, reminding
):
    for each in range(11):
        key = create_key(dana, acme, name=f"key {each}")
        hold(DisableApiKey(api_key_id=key.id), context=context_of(dana))
    reminding(timezone.now() - HOURS)
    same = timezone.now() - 5.5 * HOURS
    for each in ApprovalRequest.objects.all():
        rewrite(owner, each, requested_at=same, approve_by=same + 10 * HOURS)

    take_steps()
    take_steps()

    assert near() == [50] * 12
    assert not ProcessInstance.objects.exclude(key="").exists()


def test_what_was_decided_or_ends_within_the_hour_needs_no_reminder(
    waiting, ann, deny, owner, reminding
):
    reminding(timezone.now() - HOURS)
    start = timezone.now() - HOURS / 2
    rewrite(owner, waiting, requested_at=start, approve_by=start + 0.9 * HOURS)
    take_steps()
    deny(waiting, ann)
    let_pass(owner, waiting, 0.6)
    reminding(timezone.now() - 5 * HOURS)
    take_steps()

    assert near() == []


def test_only_processes_and_the_system_send_such_reminders(waiting, dana, context_of):
    command = RemindOfDeadline(approval_request_id=waiting.pk, percent=50)

    with pytest.raises(Forbidden):
        dispatch(command, context=context_of(dana))
