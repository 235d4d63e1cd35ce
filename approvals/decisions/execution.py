"""How an approved command is carried out, and what becomes of its request after that."""

from typing import NamedTuple

import structlog
from django.utils import timezone

from approvals.decisions import notifications
from approvals.decisions.events import ApprovalRequested, Settled
from approvals.models import ApprovalRequest, State
from approvals.requests import staleness
from approvals.sealing.payloads import Unfitting, UnknownCommand, Unloadable
from audit.bus.context import Context
from audit.bus.dispatch import cancel, replay
from audit.messages.classes import Command
from audit.messages.exceptions import (
    Cancelled,
    ConnectionLost,
    Crashed,
    Deadlocked,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    TimedOut,
)
from audit.messages.exceptions import Refused as RefusedError
from audit.messages.outcomes import Completed, ReplayFailed, ReplayOutcome, ReplayRefused
from audit.models.records import CommandRecord

logger = structlog.get_logger(__name__)

# What may not happen again, if only one tries once more.
_TRANSIENT = (TimedOut, Deadlocked, ConnectionLost, Crashed)


class ApprovedTooLate(Cancelled):
    """Enough people approved, but the time for execution had expired."""

    code = "too_late"


class NotLoaded(Cancelled):
    """The approved command is no longer readable, so it will not be executed."""

    code = "unloadable"


class _Ending(NamedTuple):
    """How a request ends."""

    state: State
    outcome: str
    outcome_code: str = ""
    is_retriable: bool = False


def opened(request: ApprovalRequest) -> Command:
    """Read the held command, and raise the alarm where that is not possible.

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


def ask(request: ApprovalRequest, *, context: Context) -> None:
    """Tell, in the log and by mail, that a new request waits for approval."""
    notifications.announce_request(request)
    context.emit(
        ApprovalRequested(
            approval_request_id=request.pk,
            command_id=request.command_id,
            command_type=request.message_type,
            digest=request.digest,
        )
    )


def release(
    request: ApprovalRequest, held_command: Command, *, context: Context, by: str = ""
) -> None:
    """Replay the held command in the transaction of the decision that releases it.

    ``by`` names who answers for it without approvals; empty if enough people approved.
    """
    if request.execute_by and timezone.now() >= request.execute_by:
        message = f"It could be executed until {request.execute_by:%Y-%m-%d %H:%M} UTC."
        error = ApprovedTooLate(_outcome(f"too late. {message}", by=by))
        call_off(request, State.REFUSED, error, outcome_code="conflict")
    else:
        expected_number = staleness.number_to_expect(request)
        replayed = replay(held_command, held=released(request), expected_number=expected_number)
        _end(request, _ending(replayed, by=by))
    _tell(request, context)


def release_again(request: ApprovalRequest, *, context: Context) -> None:
    """Replay once more what failed; what cannot be read any more has failed for good."""
    try:
        held_command = opened(request)
    except Unloadable as problem:
        code = "unloadable" if isinstance(problem, Unfitting | UnknownCommand) else "integrity"
        call_off(request, State.FAILED, NotLoaded(problem.message), outcome_code=code)
        _tell(request, context)
        return
    release(request, held_command, context=context)


def call_off(
    request: ApprovalRequest, state: State, error: Cancelled, *, outcome_code: str = ""
) -> None:
    """End a request whose command will never be carried out."""
    cancel(request.held_record(), error)
    _end(request, _Ending(state, error.message, outcome_code))


def released(request: ApprovalRequest) -> CommandRecord:
    """Find the record of the held attempt, with what it took in the end: more, once tightened."""
    held = request.held_record()
    held.decision = (held.decision or {}) | {"requirements": request.requirements}
    return held


def _end(request: ApprovalRequest, ending: _Ending) -> None:
    request.settle(
        ending.state,
        outcome=ending.outcome,
        outcome_code=ending.outcome_code,
        is_retriable=ending.is_retriable,
    )
    notifications.announce_change(request)


def _tell(request: ApprovalRequest, context: Context) -> None:
    context.emit(
        Settled(
            approval_request_id=request.pk,
            state=request.state,
            outcome=request.outcome,
            outcome_code=request.outcome_code,
        )
    )


def _ending(replayed: ReplayOutcome, *, by: str) -> _Ending:
    match replayed:
        case Completed():
            words = f"{by}. Executed." if by else "Approved and executed."
            return _Ending(State.EXECUTED, words)
        case ReplayRefused(error=error):
            outcome = _outcome(f"refused on execution: {error.message}", by=by)
            return _Ending(State.REFUSED, outcome, _kind(error))
        case ReplayFailed(error=error):
            outcome = _outcome(f"failed on execution: {error.message}", by=by)
            is_transient = isinstance(error, _TRANSIENT)
            return _Ending(State.FAILED, outcome, "error", is_retriable=is_transient)


def _outcome(words: str, *, by: str) -> str:
    return f"{by}. {words[0].upper()}{words[1:]}" if by else f"Approved, but {words}"


def _kind(error: RefusedError) -> str:
    match error:
        case PreconditionFailed():
            return "stale"
        case Forbidden() | NotFound():
            return "forbidden"
        case Invalid():
            return "invalid"
        case _:
            return "conflict"
