"""Execution of approved commands, and the end of their requests."""

from collections.abc import Mapping
from copy import copy
from typing import TypeAlias
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from approvals.decisions.commands import ReleaseRequest
from approvals.decisions.events import ApprovalRequested, Settled
from approvals.models import ApprovalRequest, State
from approvals.models.refusals import RequestAltered
from approvals.models.states import ERROR
from approvals.requests import listing, staleness, statuses
from approvals.sealing.payloads import Unfitting, UnknownCommand, Unloadable
from audit.actors.actors import SYSTEM, Actor
from audit.bus.context import Context
from audit.bus.dispatch import cancel, dispatch, replay
from audit.messages import exceptions
from audit.messages.classes import Command
from audit.messages.outcomes import (
    Completed,
    ReplayCheck,
    ReplayFailed,
    ReplayOutcome,
    ReplayRefused,
)
from audit.models.records import CommandRecord
from audit.subjects.types import decides_visibility

logger = structlog.get_logger(__name__)

#: For each rule of a request, by its id, the people whose approvals meet it.
Approvers: TypeAlias = Mapping[str, list[int]]

# Errors that may not occur on another attempt.
_TRANSIENT = (
    exceptions.TimedOut,
    exceptions.Deadlocked,
    exceptions.ConnectionLost,
    exceptions.Crashed,
)


class ApprovedTooLate(exceptions.Cancelled):
    """Enough people approved, but the time for execution had expired."""

    code = "too_late"


class NotLoaded(exceptions.Cancelled):
    """The approved command is no longer readable, so it will not be executed."""

    code = "unloadable"


def check_accessible(request: ApprovalRequest, *, actor: Actor) -> None:
    """Check that the actor may see a request, or made it, and that its row was not altered.

    :raises ObjectDoesNotExist: if the actor may not see it, as if there were no such request.
    :raises RequestAltered: if the row is not as its last command left it; an error is logged.
    """
    if not may_see(request, actor):
        raise ApprovalRequest.DoesNotExist
    if not request.is_intact:
        logger.error("approval request altered", approval_request_id=str(request.pk))
        raise RequestAltered


@decides_visibility("approval-request")
def may_see(request: ApprovalRequest, actor: Actor) -> bool:
    """Return True if the actor may see a request, or made it."""
    if actor.person_id and actor.person_id == request.requester_person:
        return True
    # For voters, so that a vote costs no other query.
    may_view = actor.scopes is None and listing.VIEW in actor.permissions
    if may_view and actor.may_see(request.tenant):
        return True
    return listing.visible_to(actor).filter(pk=request.pk).exists()


def opened(request: ApprovalRequest) -> Command:
    """Return the held command; log a critical error if it cannot be loaded.

    :raises Unloadable: if the payload is not what was sealed for this row.
    """
    try:
        return request.command()
    except Unloadable as problem:
        logger.critical(
            "held command cannot be loaded",
            approval_request_id=str(request.pk),
            command_id=str(request.command_id),
            problem=problem.code,
        )
        raise


def announce(request: ApprovalRequest, *, context: Context) -> None:
    """Emit the event of a new request."""
    context.emit(
        ApprovalRequested(
            approval_request_id=request.pk,
            command_id=request.command_id,
            command_type=request.message_type,
            digest=request.digest,
            supersedes=tuple(map(UUID, (context.decision or {}).get("supersedes", ()))),
        )
    )


def release(
    request: ApprovalRequest,
    held_command: Command,
    *,
    context: Context,
    by: Approvers | str,
    check: ReplayCheck = bool,
) -> None:
    """Replay the held command in the transaction of the decision that releases it.

    ``by`` has the people whose approvals meet each rule, or names the person who answers for it
    without approvals. ``check`` raises for a result that was not displayed.
    """
    approvers, name = (None, by) if isinstance(by, str) else (by, "")
    held, end = released(request, approvers=approvers), request.executable_until
    if end and timezone.now() >= end:
        message = f"It could be executed until {end:%Y-%m-%d %H:%M} UTC."
        check(ReplayRefused(command_id=request.command_id, error=exceptions.Conflict(message)))
        error = ApprovedTooLate(_outcome(f"too late. {message}", by=name))
        cancel(held, error)
        _end(request, State.REFUSED, error.message, "conflict")
    else:
        _end_replayed(request, _replayed(request, held_command, held, check), by=name)
    _emit_settled(request, context)


def _replayed(
    request: ApprovalRequest, held_command: Command, held: CommandRecord, check: ReplayCheck
) -> ReplayOutcome:
    return replay(
        held_command,
        held=held,
        expected_number=request.subject_number,
        accepts=lambda number: staleness.is_current(request, number=number),
        check=check,
    )


def release_again(
    request: ApprovalRequest, *, context: Context, approvers: Approvers, check: ReplayCheck = bool
) -> None:
    """Replay a command without a new vote; if it is not readable, it has failed permanently."""
    try:
        held_command = opened(request)
    except Unloadable as problem:
        code = "unloadable" if isinstance(problem, Unfitting | UnknownCommand) else "integrity"
        cancel_request(request, State.FAILED, NotLoaded(problem.message), outcome_code=code)
        _emit_settled(request, context)
        return
    release(request, held_command, context=context, by=approvers, check=check)


def release_completed(command: Command, context: Context) -> None:
    """Release the requests that a command completed, as the system, once it is committed.

    Before the commit, this would wait for a vote on such a request, which may wait for this
    command. If the server stops in between, the periodic job releases them.
    """
    channel, cause = context.channel, context.command_id

    def release_each() -> None:
        for request_id in statuses.completed_by(command):
            release_alone(request_id, channel=channel, cause=cause)

    transaction.on_commit(release_each, robust=True)


def release_alone(request_id: UUID, *, channel: str, cause: UUID | None = None) -> bool:
    """Release a request by a command of the system; return False if that is refused or fails.

    ``cause`` is the command that completed it.
    """
    context = Context(actor=SYSTEM, channel=channel, causation_id=cause)
    try:
        dispatch(ReleaseRequest(approval_request_id=request_id), context=context)
    except exceptions.CommandError:
        # It is recorded, and has no effect on what completed the request.
        return False
    return True


def cancel_request(
    request: ApprovalRequest, state: State, error: exceptions.Cancelled, *, outcome_code: str = ""
) -> None:
    """End a request whose command will never be executed."""
    cancel(request.held_record, error)
    _end(request, state, error.message, outcome_code)


def released(request: ApprovalRequest, *, approvers: Approvers | None = None) -> CommandRecord:
    """Return the record of the held attempt, with the request's effective requirements.

    The record of its execution has them, and who met each rule.
    """
    held = copy(request.held_record)
    held.decision = (held.decision or {}) | {"requirements": request.required}
    if approvers:
        held.decision["approvers"] = approvers
    return held


def _end(
    request: ApprovalRequest, state: State, outcome: str, code: str = "", *, retriable: bool = False
) -> None:
    request.settle(state, outcome=outcome, outcome_code=code, is_retriable=retriable)


def _emit_settled(request: ApprovalRequest, context: Context) -> None:
    context.emit(
        Settled(
            approval_request_id=request.pk,
            state=request.state,
            outcome=request.outcome,
            outcome_code=request.outcome_code,
        )
    )


def _end_replayed(request: ApprovalRequest, replayed: ReplayOutcome, *, by: str) -> None:
    match replayed:
        case Completed():
            _end(request, State.EXECUTED, f"{by}. Executed." if by else "Approved and executed.")
        case ReplayRefused(error=error):
            outcome = _outcome(f"not executed: {error.message}", by=by)
            _end(request, State.REFUSED, outcome, _kind(error))
        case ReplayFailed(error=error):
            outcome = _outcome(f"failed on execution: {error.message}", by=by)
            _end(request, State.FAILED, outcome, ERROR, retriable=isinstance(error, _TRANSIENT))


def _outcome(words: str, *, by: str) -> str:
    return f"{by}. {words[0].upper()}{words[1:]}" if by else f"Approved, but {words}"


def _kind(error: exceptions.Refused) -> str:
    match error:
        case exceptions.PreconditionFailed():
            return "stale"
        case exceptions.Forbidden() | exceptions.NotFound():
            return "forbidden"
        case exceptions.Invalid():
            return "invalid"
        case _:
            return "conflict"
