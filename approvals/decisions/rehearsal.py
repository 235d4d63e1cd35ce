"""Rehearsals: a held command is executed, then rolled back.

A page does so only on a button: a rehearsal takes the same locks as an execution and costs as
much, and browsers may load pages in advance. It leaves no record, history, e-mail or secret.
"""

import time
from dataclasses import dataclass

from approvals.decisions import execution
from approvals.models import ApprovalRequest
from approvals.requests import staleness
from approvals.sealing import values as subjects
from approvals.sealing.values import Values
from audit.bus import dispatch
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Completed, ReplayFailed, ReplayRefused
from audit.pages.labels import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The result of a rehearsal. ``values`` are those that the subject would have, if any."""

    would_work: bool
    words: str
    values: Values
    duration_ms: int


def rehearse(request: ApprovalRequest, command: Command) -> Tried:
    """Run a held command as its requester, read its effects, and roll it back.

    Its effective requirements have been read.
    """
    started = time.perf_counter()
    rehearsed = dispatch.rehearse(
        command,
        held=execution.released(request),
        expected_number=request.subject_number,
        accepts=lambda number: staleness.is_current(request, number=number),
        look=lambda: subjects.present_values(request.subject_reference),
    )
    match request.barrier, rehearsed.outcome:
        case CommandError() as barrier, _:
            text = f"It would be refused now: {barrier.message}"
        case _, Completed():
            events = ", ".join(map(words, rehearsed.event_types)) or "no events"
            text = f"It would succeed now: {events}."
        case _, ReplayRefused(error=error):
            text = f"It would be refused now: {error.message}"
        case _, ReplayFailed(error=error):
            text = f"It would fail now: {error.message}"
    return Tried(
        would_work=request.barrier is None and isinstance(rehearsed.outcome, Completed),
        words=text,
        values=rehearsed.seen,
        duration_ms=round((time.perf_counter() - started) * 1000),
    )
