"""Handlers of commands on requests: votes, withdrawal, expiry and retry."""

from functools import partial
from uuid import UUID

from django.utils import timezone

from approvals.decisions import commands, displayed, events, execution
from approvals.models import ApprovalRequest, Decision, State, refusals
from approvals.models.states import CHANGES_REQUESTED
from approvals.passkeys import votes
from approvals.policies import built_in, effective, evaluation
from approvals.policies import slots as matching
from approvals.requests import effects
from approvals.requests.approvers import missing_after, remaining_people
from approvals.requests.correspondence import next_reminder_at
from audit.bus.context import Context
from audit.bus.handling import handles
from audit.entry.requests import is_old_sign_in
from audit.messages.characters import actor_name, quoted_text
from audit.messages.exceptions import FieldError, Invalid


@handles(commands.Approve, locks=ApprovalRequest)
def approve(command: commands.Approve, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    held_command = execution.opened(request)
    effective.read_opened(request, held_command)
    if request.options.get("approver_reason_required", False):
        _check_reason(context, "give a reason for approving")
    sign = partial(votes.assertion_of, command.signature, request=request)
    request.cast(Decision.APPROVE, context=context, seen=command.digest, sign=sign)
    _check_recent(context)
    _check_allowed_today(request)
    context.emit(events.Approved(approval_request_id=request.pk, digest=command.digest))
    approvers, voter = matching.approvers(request), int(context.actor.person_id)
    missing = 0 if approvers else missing_after([request], person_id=voter)[request.pk]
    is_early = bool(approvers) and request.is_early
    _check_execution(command, request, missing=missing, is_early=is_early)
    if approvers and not is_early:
        check = partial(displayed.check_execution, command, request=request)
        execution.release(request, held_command, context=context, by=approvers, check=check)
    else:
        request.keep_voters()
    return request


@handles(commands.Deny, locks=ApprovalRequest)
def deny(command: commands.Deny, context: Context) -> ApprovalRequest:
    _check_reason(context, "give a reason for denying")
    request = _denied(command, context=context, label="Denied by")
    context.emit(events.Denied(approval_request_id=request.pk, digest=command.digest))
    return request


@handles(commands.RequestChanges, locks=ApprovalRequest)
def request_changes(command: commands.RequestChanges, context: Context) -> ApprovalRequest:
    _check_reason(context, "name the changes")
    code = CHANGES_REQUESTED
    request = _denied(command, context=context, label="Changes requested by", outcome_code=code)
    context.emit(events.ChangesRequested(approval_request_id=request.pk, digest=command.digest))
    return request


@handles(commands.TakeBack, locks=ApprovalRequest)
def take_back(command: commands.TakeBack, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    request.take_back(context=context, seen=command.digest)
    displayed.check(command, effects.TAKES_BACK, request=request)
    context.emit(events.VoteTakenBack(approval_request_id=request.pk, digest=command.digest))
    return request


@handles(commands.Withdraw, locks=ApprovalRequest)
def withdraw(command: commands.Withdraw, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    request.check_pending(now=timezone.now())
    _check_is_requester(request, context=context)
    if built_in.must_be_decided(request):
        raise refusals.MustBeDecided
    _check_seen(command.digest, request)
    displayed.check(command, effects.ENDS, request=request)
    reason = f": {quoted_text(context.reason)}" if context.reason else "."
    withdrawal = refusals.Withdrawal(f"Withdrawn by {actor_name(context.actor.label)}{reason}")
    execution.cancel_request(request, State.WITHDRAWN, withdrawal)
    context.emit(events.Withdrawn(approval_request_id=request.pk))
    return request


@handles(commands.Comment, locks=ApprovalRequest)
def comment(command: commands.Comment, context: Context) -> ApprovalRequest:
    _check_reason(context, "write the comment")
    request = _locked(command.approval_request_id, context=context)
    effective.read([request])
    _check_takes_part(request, context=context)
    context.emit(events.Commented(approval_request_id=request.pk, comment=context.reason))
    return request


@handles(commands.RemindApprovers, locks=ApprovalRequest)
def remind_approvers(command: commands.RemindApprovers, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    request.check_pending(now=timezone.now())
    _check_is_requester(request, context=context)
    if again_at := next_reminder_at(request):
        message = f"The approvers can be reminded again from {again_at:%Y-%m-%d %H:%M} UTC."
        raise refusals.AlreadyReminded(message)
    if not remaining_people(request):
        raise refusals.NoOneToRemind
    context.emit(events.ApproversReminded(approval_request_id=request.pk))
    return request


@handles(commands.RemindOfDeadline, locks=ApprovalRequest)
def remind_of_deadline(command: commands.RemindOfDeadline, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    request.check_pending(now=timezone.now())
    context.emit(events.DeadlineNear(approval_request_id=request.pk, percent=command.percent))
    if command.percent == commands.ESCALATED_AT:
        context.emit(events.RequestEscalated(approval_request_id=request.pk))
    return request


@handles(commands.ExpireRequest, locks=ApprovalRequest)
def expire_request(command: commands.ExpireRequest, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    if request.state != State.PENDING:
        raise refusals.AlreadyDecided
    if request.present_state != State.EXPIRED:
        raise refusals.NotYetExpired
    expiry = refusals.Expiry.at(request.approve_by)
    execution.cancel_request(request, State.EXPIRED, expiry)
    context.emit(events.RequestExpired(approval_request_id=request.pk))
    return request


@handles(commands.ReleaseRequest, locks=ApprovalRequest)
def release_request(command: commands.ReleaseRequest, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    effective.read([request])
    request.check_pending(now=timezone.now())
    _check_allowed_today(request)
    execution.check_time(request)
    approvers = matching.approvers(request)
    if not approvers:
        raise refusals.NotEnoughApprovals
    context.emit(events.Released(approval_request_id=request.pk))
    execution.release_again(request, context=context, approvers=approvers)
    return request


@handles(commands.Retry, locks=ApprovalRequest)
def retry(command: commands.Retry, context: Context) -> ApprovalRequest:
    request = _locked(command.approval_request_id, context=context)
    effective.read([request])
    _check_takes_part(request, context=context)
    if not request.is_retriable:
        raise refusals.NotToBeRetried
    _check_allowed_today(request)
    end = request.executable_until
    if end and timezone.now() >= end:
        raise refusals.TooLate(f"This could be executed until {end:%Y-%m-%d %H:%M} UTC.")
    _check_seen(command.digest, request)
    approvers = matching.approvers(request)
    if not approvers:
        raise refusals.NotEnoughApprovals
    _check_execution(command, request)
    check = partial(displayed.check_execution, command, request=request)
    execution.release_again(request, context=context, approvers=approvers, check=check)
    return request


def _denied(
    command: commands.Deny | commands.RequestChanges,
    *,
    context: Context,
    label: str,
    outcome_code: str = "",
) -> ApprovalRequest:
    """Return the request of the command, which a denial has ended."""
    request = _locked(command.approval_request_id, context=context)
    effective.read([request])
    sign = partial(votes.assertion_of, command.signature, request=request)
    request.cast(Decision.DENY, context=context, seen=command.digest, sign=sign)
    _check_recent(context)
    displayed.check(command, effects.ENDS, request=request)
    message = f"{label} {actor_name(context.actor.label)}: {quoted_text(context.reason)}"
    execution.cancel_request(
        request, State.DENIED, refusals.Denial(message), outcome_code=outcome_code
    )
    return request


def _check_reason(context: Context, purpose: str) -> None:
    if not context.reason.strip():
        raise Invalid(errors=[FieldError("reason", "required", f"is required: {purpose}")])


def _check_recent(context: Context) -> None:
    """Check that the voter has signed in, or confirmed the sign-in, not too long ago.

    :raises SignInTooOld: if not, or if the time is unknown.
    """
    if is_old_sign_in(context.request.authenticated_at):
        raise refusals.SignInTooOld


def _check_allowed_today(request: ApprovalRequest) -> None:
    """Check that today's policies let the command be executed once it is approved.

    :raises CommandError: with the reason, if not.
    """
    if request.barrier is not None:
        raise request.barrier


def _is_requester(request: ApprovalRequest, *, context: Context) -> bool:
    return context.actor.person_id == request.requester_person


def _check_is_requester(request: ApprovalRequest, *, context: Context) -> None:
    if not _is_requester(request, context=context):
        raise refusals.NotTheRequester


def _check_takes_part(request: ApprovalRequest, *, context: Context) -> None:
    """Check that the actor is the requester or an approver.

    :raises Forbidden: with the reason, if not.
    """
    if not _is_requester(request, context=context):
        request.check_is_approver(context.actor)


def _check_seen(digest: str, request: ApprovalRequest) -> None:
    if digest not in ("", request.digest):
        raise refusals.SeenAnother


def _check_execution(
    decision: commands.Decision,
    request: ApprovalRequest,
    *,
    missing: int = 0,
    is_early: bool = False,
) -> None:
    """Check the displayed effect of a decision that executes the command if nothing is missing.

    Whether an execution is refused, as may be displayed, is known by its result only.
    """
    effect = effects.of_approval(missing=missing, warnings=(), is_early=is_early)
    if effect != effects.EXECUTES or decision.expected_effect not in effects.OF_EXECUTION:
        displayed.check(decision, effect, request=request)


def _locked(request_id: UUID, *, context: Context) -> ApprovalRequest:
    request = ApprovalRequest.objects.locked(
        pk=request_id, voter=context.actor, also=evaluation.policies_to_read
    )
    execution.check_accessible(request, actor=context.actor)
    # A decision, and its refusal, belong to the case of the held command.
    context.correlation_id = request.held_record.correlation_id
    return request
