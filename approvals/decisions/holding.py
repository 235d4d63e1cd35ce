"""The middleware that holds commands for approval."""

from typing import Any

from approvals.decisions import execution, superseding
from approvals.models import ApprovalRequest, Effect, State, refusals
from approvals.models.policies import PolicyAltered
from approvals.policies import built_in, conditions, evaluation
from approvals.requests.pending import progress_of
from approvals.sealing import payloads
from audit.bus import handling
from audit.bus.context import Context
from audit.bus.middleware import Next
from audit.messages.characters import actor_name
from audit.messages.classes import Command
from audit.messages.exceptions import Conflict, Deadlocked, FieldError, Invalid
from audit.messages.outcomes import Completed, Outcome, Postponed
from audit.rest.openapi.operations import refuses_with


class AlreadyAskedFor(Conflict):
    """The same command is already waiting for approval."""

    title = "Already requested"
    remedy = "Follow the waiting request: it is in the list of approval requests."


@refuses_with(
    # The ends of a request, for a repeat of its command under the same Idempotency-Key.
    execution.ApprovedTooLate,
    execution.NotLoaded,
    refusals.Denial,
    refusals.Expiry,
    refusals.Withdrawal,
    superseding.Supersession,
    superseding.BeingDecided,
    AlreadyAskedFor,
    PolicyAltered,
    conditions.ConditionFailed,
    built_in.CameUnderTheFloor,
    built_in.NoPolicyOwners,
    evaluation.CannotBeHeld,
    evaluation.ForbiddenByPolicy,
    evaluation.Unsatisfiable,
)
def hold_for_approval(command: Command, context: Context, call_next: Next) -> Outcome:
    """Hold a command that needs approval; execute it if it was approved or needs no approval.

    :raises Forbidden: if a policy forbids the command, cannot be evaluated or cannot be met.
    """
    if context.is_replay:
        built_in.check_replay(command, decision=context.decision or {})
        return _executed(command, context, call_next)
    verdict = evaluation.judge(command, context)
    context.decision = verdict.decision
    if verdict.effect is Effect.ALLOW:
        return _executed(command, context, call_next)
    if not handling.check_precondition(command, context):
        return _unchanged(command, context, call_next)
    context.decision["requirements"] = verdict.requirements
    return _hold(command, context, verdict.requirements)


def _executed(command: Command, context: Context, call_next: Next) -> Outcome:
    outcome = call_next(command, context)
    if isinstance(outcome, Completed) and command.empowers:
        execution.release_completed(command, context)
    return outcome


def _unchanged(command: Command, context: Context, call_next: Next) -> Outcome:
    """Execute a command that needs approval but changes nothing.

    :raises Deadlocked: if it has changed something, since the subject has just been changed.
    """
    outcome = call_next(command, context)
    if context.events:
        raise Deadlocked
    return outcome


def _hold(command: Command, context: Context, requirements: dict[str, Any]) -> Postponed:
    options = requirements["options"]
    if options["requester_reason_required"] and not context.reason.strip():
        raise Invalid(errors=[FieldError("reason", "required", "is required by a policy")])
    evaluation.check_can_be_held(
        command,
        requirements=requirements,
        tenant=context.tenant,
        requester=context.actor.person_id,
    )
    waiting = _waiting(command, context)
    stale = superseding.stale_among(waiting) if waiting else []
    if options["one_open_request"]:
        pending = _pending_twin(command, context, among=[r for r in waiting if r not in stale])
        if pending is not None:
            return pending
    else:
        stale = [each for each in stale if each.digest == payloads.digest(command)]
    request = ApprovalRequest.hold(command, context, requirements=requirements)
    if stale:
        superseding.supersede(stale, by=request, context=context)
    execution.announce(request, context=context)
    return Postponed(
        command_id=context.command_id,
        result_id=request.subject_id or None,
        progress=progress_of(request, {}),
    )


def _waiting(command: Command, context: Context) -> list[ApprovalRequest]:
    """Return the requests for the same type of command on the subject that can be decided."""
    if context.subject is None:
        return []
    twins = ApprovalRequest.objects.pending_twins(command.message_type, context.subject)
    return [request for request in twins if request.present_state is State.PENDING]


def _pending_twin(
    command: Command, context: Context, *, among: list[ApprovalRequest]
) -> Postponed | None:
    """Return the pending request as the outcome if the requester sends the same command again.

    :raises AlreadyAskedFor: if another requester or another command is pending on the subject.
    """
    if not among:
        return None
    pending = min(among, key=lambda request: request.pk)
    is_same = pending.digest == payloads.digest(command)
    if is_same and pending.requester_person == context.actor.person_id:
        return Postponed(
            command_id=pending.command_id, result_id=pending.subject_id, is_repeat=True
        )
    raise AlreadyAskedFor(f"{actor_name(pending.requester_label)} has already requested this.")
