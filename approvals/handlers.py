"""The service layer of approvals: votes, and the replay that follows the last one."""

from uuid import UUID

from django.contrib.auth.models import Group
from django.utils import timezone

from approvals import policies
from approvals.commands import Approve, CreatePolicy, Deny, DisablePolicy, Withdraw
from approvals.events import (
    Approved,
    Denied,
    PolicyCreated,
    PolicyDisabled,
    Settled,
    Withdrawn,
)
from approvals.models import ApprovalRequest, Decision, NotTheRequester, Policy, Rule, State
from audit import bus, registry
from audit.context import Context
from audit.exceptions import Cancelled, Conflict, FieldError, Invalid
from audit.messages import Command, secret_fields
from audit.outcomes import Completed, Failed, Refused, ReplayOutcome
from audit.registry import Progress, handles, postponement


class AlreadyGoverned(Conflict):
    """There is a policy on this type of command already."""


class Denial(Cancelled):
    """The request was denied."""

    code = "denied"


class Withdrawal(Cancelled):
    """The request was withdrawn."""

    code = "withdrawn"


@handles(CreatePolicy)
def create_policy(command: CreatePolicy, context: Context) -> Policy:
    _check_can_govern(command.governs)
    group = Group.objects.get(pk=command.group_id)
    if Policy.objects.filter(message_type=command.governs).exists():
        raise AlreadyGoverned
    policy = Policy.objects.create(pk=command.policy_id, message_type=command.governs)
    Rule.objects.create(policy=policy, group=group, quorum=command.quorum)
    context.emit(
        PolicyCreated(
            policy_id=policy.pk, governs=command.governs, group_id=group.pk, quorum=command.quorum
        )
    )
    return policy


@handles(DisablePolicy)
def disable_policy(command: DisablePolicy, context: Context) -> Policy:
    policy = Policy.objects.select_for_update().get(pk=command.policy_id)
    policy.disable()
    context.emit(PolicyDisabled(policy_id=policy.pk))
    return policy


@handles(Approve)
def approve(command: Approve, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    held_command = request.command()
    request.cast(Decision.APPROVE, actor=context.actor, seen=command.digest, comment=context.reason)
    context.emit(Approved(approval_request_id=request.pk, digest=command.digest))
    if policies.is_satisfied(request):
        _release(request, held_command, context)
    return request


@handles(Deny)
def deny(command: Deny, context: Context) -> ApprovalRequest:
    if not context.reason.strip():
        raise Invalid(errors=[FieldError("reason", "required", "is required: say why you deny")])
    request = _locked(command.approval_request_id, context=context)
    request.cast(Decision.DENY, actor=context.actor, seen=command.digest, comment=context.reason)
    outcome = f"Denied by {context.actor.label}: {context.reason}"
    request.settle(State.DENIED, outcome=outcome)
    bus.cancel(request.held_record(), Denial(outcome))
    context.emit(Denied(approval_request_id=request.pk, digest=command.digest))
    return request


@handles(Withdraw)
def withdraw(command: Withdraw, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    request.check_pending(now=timezone.now())
    if context.actor.person_id != request.requester_person:
        raise NotTheRequester
    outcome = f"Withdrawn by {context.actor.label}. {context.reason}".strip()
    request.settle(State.WITHDRAWN, outcome=outcome)
    bus.cancel(request.held_record(), Withdrawal(outcome))
    context.emit(Withdrawn(approval_request_id=request.pk))
    return request


@postponement
def progress(command_id: UUID) -> Progress | None:
    """Tell how many of the needed approvals a held command has."""
    request = ApprovalRequest.objects.filter(command_id=command_id).first()
    if request is None:
        return None
    counted = policies.counted_voters(request)
    rules = request.requirements["rules"]
    return Progress(
        state=request.state,
        have=sum(min(counted[rule["id"]], rule["quorum"]) for rule in rules),
        needed=sum(rule["quorum"] for rule in rules),
        approve_by=request.approve_by.isoformat(),
        request_id=str(request.pk),
    )


def _locked(request_id: UUID, *, context: Context) -> ApprovalRequest:
    """Lock a request before anything is read of it: whoever votes at the same time has to wait.

    What is decided here, and what is refused, belongs to the affair of the held command.
    """
    request = ApprovalRequest.objects.select_for_update().get(pk=request_id)
    context.correlation_id = request.held_record().correlation_id
    return request


def _release(request: ApprovalRequest, held_command: Command, context: Context) -> None:
    """Replay the held command in the transaction of the vote that was the last one needed."""
    replayed = bus.replay(
        held_command, held=request.held_record(), expected_number=request.subject_number
    )
    state, outcome = _state_after(replayed)
    request.settle(state, outcome=outcome)
    context.emit(Settled(approval_request_id=request.pk, state=state, outcome=outcome))


def _state_after(replayed: ReplayOutcome) -> tuple[State, str]:
    match replayed:
        case Completed():
            return State.EXECUTED, "Approved and carried out."
        case Refused(error=error):
            return State.REFUSED, f"Approved, but refused when carried out: {error.message}"
        case Failed(error=error):
            return State.FAILED, f"Approved, but failed when carried out: {error.message}"


def _check_can_govern(message_type: str) -> None:
    """Refuse a policy on what is no command, or on one that cannot be held."""
    try:
        command_class = registry.message_class(message_type)
    except registry.UnknownMessageType:
        problem = FieldError("governs", "unknown", f"must be a command type, not {message_type!r}")
        raise Invalid(errors=[problem]) from None
    if not issubclass(command_class, Command):
        problem = FieldError("governs", "unknown", f"must be a command: {message_type} is none")
        raise Invalid(errors=[problem])
    if secret_fields(command_class):
        problem = FieldError("governs", "secret", "must not carry a secret, which cannot be held")
        raise Invalid(errors=[problem])
