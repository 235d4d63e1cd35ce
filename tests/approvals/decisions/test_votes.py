"""Votes: who may cast one, what it counts for, and what the last one sets off."""

from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Deny, Withdraw
from approvals.models import ApprovalRequest, Policy, Rule, Vote
from approvals.models.refusals import (
    AlreadyDecided,
    AlreadyVoted,
    NotActive,
    NotAnApprover,
    NotAPerson,
    NotTheRequester,
    OwnRequest,
    SeenAnother,
    TooLate,
)
from approvals.policies.commands import CreatePolicy
from approvals.policies.evaluation import CannotBeHeld, Unsatisfiable
from approvals.sealing.payloads import Altered, sign
from audit.actors.credentials import live_actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.messages import catalog
from audit.messages.classes import Command, secret
from audit.messages.exceptions import ApprovalRequired, Invalid, NotFound
from audit.messages.outcomes import Postponed
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from tests.approvals.asking import switch_off
from tests.conftest import AS_SYSTEM, completed, member, new_approver, policy
from tests.probes import to
from tests.tampering import let_time_pass, tamper


@dataclass(frozen=True, kw_only=True)
class WithSecret(Command):
    """Carry a secret."""

    message_type = "test.with_secret"

    password: str = secret()


@pytest.fixture
def request_to_disable(first_key, disabling_needs_two):
    """Dana's key asks to disable itself; two of Security have to approve."""
    key = live_actor("api_key", str(first_key.id))
    context = Context(actor=key, channel="v1", reason="Leaked")
    outcome = dispatch(DisableApiKey(api_key_id=first_key.id), context=context)
    assert isinstance(outcome, Postponed)
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


def approval(request, *, seen=None):
    return Approve(approval_request_id=request.pk, digest=seen or request.digest)


def denial(request):
    return Deny(approval_request_id=request.pk, digest=request.digest)


def statuses(request):
    records = CommandRecord.objects.filter(command_id=request.command_id).order_by("attempt")
    return [record.status for record in records]


def refuses(command, context, kind):
    """Dispatch what must be turned down: the record says so and nothing else changes."""
    before = (Vote.objects.count(), ApiKey.objects.get().is_enabled, EventRecord.objects.count())
    with pytest.raises(kind) as refusal:
        dispatch(command, context=context)
    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", kind.code)
    assert record.error_message == refusal.value.message
    after = (Vote.objects.count(), ApiKey.objects.get().is_enabled, EventRecord.objects.count())
    assert after == before


def test_the_last_approval_carries_the_command_out_under_its_own_id(
    request_to_disable, ann, bob, context_of
):
    first = completed(approval(request_to_disable), context=context_of(ann))
    assert (first.state, ApiKey.objects.get().is_enabled) == ("pending", True)

    second = completed(approval(request_to_disable), context=context_of(bob))

    assert (second.state, ApiKey.objects.get().is_enabled) == ("executed", False)
    assert statuses(request_to_disable) == ["postponed", "succeeded"]
    replay = CommandRecord.objects.get(command_id=request_to_disable.command_id, attempt=2)
    bobs = CommandRecord.objects.get(message_type="approvals.approve", actor_label="bob")
    assert replay.actor_label.startswith("dana")
    assert (replay.channel, replay.reason) == ("v1", "Leaked")
    assert replay.causation_id == bobs.command_id
    assert replay.xid == bobs.xid
    assert replay.correlation_id == bobs.correlation_id == request_to_disable.command_id


def test_a_command_that_gained_a_field_while_it_waited_is_executed(
    request_to_disable, ann, bob, context_of, monkeypatch
):
    monkeypatch.setattr(DisableApiKey, "schema_version", 2)
    monkeypatch.setitem(catalog._upcasters, ("apikeys.disable", 1), dict)

    for approver in (ann, bob):
        completed(approval(request_to_disable), context=context_of(approver))

    assert not ApiKey.objects.get().is_enabled


def test_votes_belong_to_the_case_of_the_command(request_to_disable, ann, context_of):
    completed(approval(request_to_disable), context=context_of(ann))

    event = EventRecord.objects.get(message_type="approvals.approved")
    assert event.correlation_id == request_to_disable.command_id


def test_one_denial_ends_it(request_to_disable, ann, bob, context_of):
    completed(approval(request_to_disable), context=context_of(ann))
    completed(denial(request_to_disable), context=context_of(bob, reason="Still in use"))

    assert statuses(request_to_disable) == ["postponed", "cancelled"]
    record = CommandRecord.objects.get(command_id=request_to_disable.command_id, attempt=2)
    assert (record.error_code, record.error_message) == ("denied", "Denied by bob: “Still in use”")
    assert ApiKey.objects.get().is_enabled


def test_a_denial_without_a_reason_is_refused(request_to_disable, ann, context_of):
    refuses(denial(request_to_disable), context_of(ann), Invalid)


def test_a_voter_cannot_vote_twice(request_to_disable, ann, context_of):
    completed(approval(request_to_disable), context=context_of(ann))

    refuses(approval(request_to_disable), context_of(ann), AlreadyVoted)
    refuses(denial(request_to_disable), context_of(ann, reason="Changed my mind"), AlreadyVoted)


def test_the_owner_of_the_key_that_asked_is_the_requester(
    request_to_disable, dana, security, context_of
):
    dana.groups.add(security)

    refuses(approval(request_to_disable), context_of(dana), OwnRequest)


def test_a_key_does_not_vote(request_to_disable, first_key):
    key = Context(actor=live_actor("api_key", str(first_key.id)))

    refuses(approval(request_to_disable), key, NotAPerson)


def test_what_is_decided_stays_decided(request_to_disable, ann, bob, acme, security, context_of):
    carol = new_approver("carol", acme, groups=[security])
    for approver in (ann, bob):
        completed(approval(request_to_disable), context=context_of(approver))

    refuses(approval(request_to_disable), context_of(carol), AlreadyDecided)
    refuses(denial(request_to_disable), context_of(carol, reason="Late"), AlreadyDecided)


def test_only_the_group_votes_and_a_superuser_is_no_group(request_to_disable, acme, context_of):
    outsider = member("otto", acme, permissions=("view_approvalrequest",))
    root = member("root", acme)
    User.objects.filter(pk=root.pk).update(is_superuser=True)

    refuses(approval(request_to_disable), context_of(outsider), NotAnApprover)
    refuses(approval(request_to_disable), context_of(member("carl", acme)), NotFound)
    refuses(approval(request_to_disable), context_of(User.objects.get(pk=root.pk)), NotAnApprover)


def test_another_customers_approver_finds_no_such_request(
    request_to_disable, globex, security, context_of
):
    foreigner = new_approver("fred", globex, groups=[security])

    refuses(approval(request_to_disable), context_of(foreigner), NotFound)


def test_a_vote_on_something_else_than_was_asked_is_refused(request_to_disable, ann, context_of):
    refuses(approval(request_to_disable, seen="0" * 64), context_of(ann), SeenAnother)


def test_time_runs_out(request_to_disable, ann, context_of, owner):
    let_time_pass(owner, request_to_disable)

    refuses(approval(request_to_disable), context_of(ann), TooLate)


def test_a_voter_who_left_the_group_no_longer_counts(
    request_to_disable, ann, bob, security, context_of
):
    completed(approval(request_to_disable), context=context_of(ann))
    ann.groups.remove(security)
    completed(approval(request_to_disable), context=context_of(bob))

    assert ApprovalRequest.objects.get().state == "pending"
    assert ApiKey.objects.get().is_enabled


def test_a_deactivated_voter_no_longer_counts(request_to_disable, ann, bob, context_of):
    completed(approval(request_to_disable), context=context_of(ann))
    User.objects.filter(pk=ann.pk).update(is_active=False)
    completed(approval(request_to_disable), context=context_of(bob))

    assert ApprovalRequest.objects.get().state == "pending"


def test_an_inactive_approver_cannot_vote(request_to_disable, ann, context_of):
    context = context_of(ann)
    User.objects.filter(pk=ann.pk).update(is_active=False)

    with pytest.raises(NotActive):
        dispatch(approval(request_to_disable), context=context)


def test_a_vote_inserted_by_hand_counts_for_nothing(request_to_disable, ann, bob, context_of):
    facts = {"decision": "approve", "digest": request_to_disable.digest, "voter_label": "bob"}
    with outside_command("Forge a vote"):
        forged = Vote(request=request_to_disable, voter=bob, mac=sign(b"something else"), **facts)
        forged.save()

    completed(approval(request_to_disable), context=context_of(ann))

    assert ApprovalRequest.objects.get().state == "pending"


@pytest.mark.parametrize("taken", [(1,), (1_000_000,), (1, 2, 1_000_000)])
def test_votes_inserted_by_hand_do_not_use_up_the_numbers(
    taken, request_to_disable, ann, bob, context_of
):
    facts = {"decision": "deny", "digest": request_to_disable.digest, "voter_label": "ann"}
    with outside_command("Forge votes"):
        for number in taken:
            Vote(request=request_to_disable, voter=ann, number=number, mac="k1:00", **facts).save()

    for person in (ann, bob):
        completed(approval(request_to_disable), context=context_of(person))

    assert ApprovalRequest.objects.get().state == "executed"


def test_what_was_altered_cannot_be_approved_but_denied(
    request_to_disable, ann, bob, context_of, owner
):
    tamper(owner, request_to_disable, subject_number=99)

    refuses(approval(request_to_disable), context_of(ann), Altered)
    completed(denial(request_to_disable), context=context_of(bob, reason="Altered"))
    assert statuses(request_to_disable) == ["postponed", "cancelled"]


def test_the_requester_who_lost_the_permission_is_refused_at_the_replay(
    request_to_disable, dana, ann, bob, context_of
):
    dana.user_permissions.clear()
    for approver in (ann, bob):
        completed(approval(request_to_disable), context=context_of(approver))

    assert ApprovalRequest.objects.get().state == "refused"
    assert statuses(request_to_disable) == ["postponed", "refused"]
    assert ApiKey.objects.get().is_enabled


def test_a_credential_that_is_no_longer_good_is_refused_at_the_replay(
    request_to_disable, dana, ann, bob, context_of
):
    User.objects.filter(pk=dana.pk).update(is_active=False)
    for approver in (ann, bob):
        completed(approval(request_to_disable), context=context_of(approver))

    request = ApprovalRequest.objects.get()
    assert (request.state, ApiKey.objects.get().is_enabled) == ("refused", True)
    assert "no longer valid" in request.outcome


def test_a_subject_that_has_moved_on_is_refused_at_the_replay(
    request_to_disable, first_key, ann, bob, dana, context_of
):
    completed(to(switch_off, first_key.id), context=context_of(dana))
    for approver in (ann, bob):
        completed(approval(request_to_disable), context=context_of(approver))

    assert ApprovalRequest.objects.get().state == "refused"
    assert statuses(request_to_disable) == ["postponed", "refused"]


def test_only_the_requester_withdraws(request_to_disable, dana, ann, context_of):
    withdrawal = Withdraw(approval_request_id=request_to_disable.pk)

    refuses(withdrawal, context_of(ann), NotTheRequester)
    completed(withdrawal, context=context_of(dana))

    assert statuses(request_to_disable) == ["postponed", "cancelled"]


def test_a_policy_that_too_few_can_satisfy_refuses_and_says_so(first_key, dana, ann, security):
    policy("apikeys.disable", group=security, quorum=2)
    key = Context(actor=live_actor("api_key", str(first_key.id)))

    with pytest.raises(Unsatisfiable, match="only 1 may approve"):
        dispatch(DisableApiKey(api_key_id=first_key.id), context=key)


@pytest.mark.parametrize("governs", ["test.with_secret", "no.such_command", "apikeys.disabled"])
def test_a_policy_on_a_command_that_cannot_be_held_is_refused_early(
    governs, security, policy_owners, assert_recorded
):
    with pytest.raises(Invalid):
        dispatch(
            CreatePolicy(governs=governs, groups=(security.pk,), quorums=(1,)), context=AS_SYSTEM
        )

    assert_recorded(CreatePolicy, status="refused")
    assert not ApprovalRequest.objects.exists()


def test_a_command_with_a_secret_is_refused_even_if_a_policy_slipped_in(security, ann):
    with outside_command("Put a policy where none may be"):
        policy = Policy.objects.create(governs="test.with_secret", effect="require_approval")
        Rule.objects.create(policy=policy, group=security, quorum=1)
        policy.seal()

    with pytest.raises(CannotBeHeld):
        dispatch(WithSecret(password="hunter2"), context=AS_SYSTEM)


def test_a_batch_in_which_one_would_be_held_is_refused_whole(
    first_key, disabling_needs_two, dana, context_of
):
    commands = [DisableApiKey(api_key_id=first_key.id)]

    with pytest.raises(ApprovalRequired):
        dispatch_all(commands, context=context_of(dana))

    assert not ApprovalRequest.objects.exists()


def test_a_disabled_policy_holds_nothing(first_key, disabling_needs_two, dana, context_of):
    with outside_command("Disable it past the floor"):
        Policy.objects.get().disable()

    completed(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert not ApiKey.objects.get().is_enabled
