"""Requests that get their last approval without a vote: they are executed all the same."""

import pytest
from django.contrib.auth.models import User

from apikeys.commands import AddMember
from apikeys.models import ApiKey, Membership
from approvals.decisions.commands import ReleaseRequest
from approvals.models import ApprovalRequest
from approvals.models.refusals import NotEnoughApprovals
from approvals.people import commands
from approvals.policies.commands import DisablePolicy
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Conflict, Forbidden
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from tests.books import assert_balanced, attempts
from tests.conftest import AS_SYSTEM, approved, completed, policy
from tests.processes import take_steps
from tests.threads import Crowd

VIEW = "approvals.view_approvalrequest"


def leave_group(ann, security, acme):
    ann.groups.remove(security)
    return commands.AddToGroup(user_id=ann.pk, group_id=security.pk)


def be_deactivated(ann, security, acme):
    User.objects.filter(pk=ann.pk).update(is_active=False)
    return commands.SetAccountStatus(user_id=ann.pk, is_active=True)


def lose_permission(ann, security, acme):
    ann.user_permissions.clear()
    return commands.GrantPermission(user_id=ann.pk, permission=VIEW)


def lose_permission_of_group(ann, security, acme):
    ann.user_permissions.clear()
    return commands.GrantGroupPermission(group_id=security.pk, permission=VIEW)


def lose_customer(ann, security, acme):
    with outside_command("A membership that ended"):
        Membership.objects.filter(user=ann).delete()
    return AddMember(customer_id=acme.pk, user_id=ann.pk)


LOSSES = [
    *(leave_group, be_deactivated, lose_permission),
    *(lose_permission_of_group, lose_customer),
]


@pytest.fixture
def complete(waiting, ann, bob, approve, policy_owners):
    """A function that ends with two approvals, one of which counts again after a command."""

    def lose(loss, security, acme):
        approve(waiting, ann)
        command = loss(ann, security, acme)
        approve(waiting, bob)
        waiting.refresh_from_db()
        assert waiting.state == "pending"
        return command

    return lose


def carry_out(command):
    """Send a command; the policy owners approve it if the built-in policy holds it."""
    record = CommandRecord.objects.filter(
        command_id=dispatch(command, context=AS_SYSTEM).command_id
    ).get()
    if record.status == "postponed":
        request = ApprovalRequest.objects.get(command_id=record.command_id)
        owners = User.objects.filter(username__in=("olga", "otto")).order_by("username")
        assert approved(request, *owners).state == "executed"
    return record.command_id


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_a_person_whose_vote_counts_again_completes_the_request(
    loss, complete, waiting, security, acme
):
    command = complete(loss, security, acme)

    cause = carry_out(command)

    waiting.refresh_from_db()
    assert waiting.state == "executed"
    assert not ApiKey.objects.get().is_enabled
    assert attempts(waiting.command_id) == [(1, "postponed", ""), (2, "succeeded", "")]
    record = CommandRecord.objects.get(message_type="approvals.release")
    assert (record.actor_kind, record.causation_id) == ("system", cause)
    assert record.correlation_id == waiting.command_id
    event = EventRecord.objects.get(message_type="approvals.released")
    assert (event.subject_id, event.command_id) == (str(waiting.pk), record.command_id)
    assert_balanced()


def test_a_command_that_is_refused_on_release_does_not_undo_the_other(
    complete, waiting, ann, dana, security, acme
):
    command = complete(lose_customer, security, acme)
    User.objects.filter(pk=dana.pk).update(is_active=False)

    completed(command)

    waiting.refresh_from_db()
    assert waiting.state == "refused"
    assert Membership.objects.filter(user=ann).exists()
    assert_balanced()


def test_what_still_lacks_an_approval_is_not_released(
    waiting, ann, bob, approve, security, acme, policy_owners
):
    approve(waiting, ann)

    completed(lose_customer(ann, security, acme))

    waiting.refresh_from_db()
    assert waiting.state == "pending"
    assert not CommandRecord.objects.filter(message_type="approvals.release").exists()
    with pytest.raises(NotEnoughApprovals):
        dispatch(ReleaseRequest(approval_request_id=waiting.pk), context=AS_SYSTEM)


def test_a_policy_that_no_longer_requires_more_completes_the_request(
    waiting, security, ann, bob, approve, policy_owners
):
    stricter = policy("apikeys.disable", group=security, quorum=3)
    approve(waiting, ann)
    approve(waiting, bob)
    waiting.refresh_from_db()
    assert waiting.state == "pending"

    carry_out(DisablePolicy(policy_id=stricter.pk))

    waiting.refresh_from_db()
    assert waiting.state == "executed"
    assert_balanced()


def test_what_todays_policies_forbid_is_not_released_before_they_allow_it(
    complete, waiting, security, acme
):
    command = complete(lose_customer, security, acme)
    forbidding = policy("apikeys.disable", group=security, quorum=1, effect="forbid")

    completed(command)
    take_steps()
    with pytest.raises(Forbidden):
        dispatch(ReleaseRequest(approval_request_id=waiting.pk), context=AS_SYSTEM)

    waiting.refresh_from_db()
    assert waiting.state == "pending"
    assert CommandRecord.objects.filter(message_type="approvals.release").count() == 1
    carry_out(DisablePolicy(policy_id=forbidding.pk))
    waiting.refresh_from_db()
    assert waiting.state == "executed"
    assert_balanced()


def test_what_todays_policies_require_in_addition_is_needed_for_a_release(
    complete, waiting, security, acme
):
    command = complete(lose_customer, security, acme)
    policy("apikeys.disable", group=security, quorum=3)

    completed(command)
    take_steps()

    waiting.refresh_from_db()
    assert waiting.state == "pending"
    assert not CommandRecord.objects.filter(message_type="approvals.release").exists()


def test_only_the_system_releases_a_request(waiting, ann, context_of):
    with pytest.raises(Forbidden):
        dispatch(ReleaseRequest(approval_request_id=waiting.pk), context=context_of(ann))


def test_what_no_command_completed_is_executed_by_a_process(complete, waiting, ann, security, acme):
    complete(leave_group, security, acme)
    ann.groups.add(security)

    take_steps()

    waiting.refresh_from_db()
    assert waiting.state == "executed"
    release = CommandRecord.objects.get(message_type="approvals.release")
    assert (release.actor_label, release.status) == ("process:approvals.release", "succeeded")
    assert_balanced()


def test_two_releases_at_once_execute_it_once(complete, waiting, ann, security, acme):
    complete(leave_group, security, acme)
    ann.groups.add(security)

    def release():
        try:
            dispatch(ReleaseRequest(approval_request_id=waiting.pk), context=AS_SYSTEM)
        except Conflict:
            return False
        return True

    with Crowd(4) as crowd:
        released = crowd.at_once(*[release] * 4)

    assert sorted(released) == [False, False, False, True]

    assert attempts(waiting.command_id) == [(1, "postponed", ""), (2, "succeeded", "")]
    assert_balanced()
