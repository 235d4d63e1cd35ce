"""Trying what a request asks for, without doing it.

It stands behind a button and not on the page itself: the handler runs for real, so it takes the
locks of the real thing and costs as much, and what is merely opened, also by a program that looks
ahead, must do neither. Nothing of it stays: no record, no history, no e-mail, no secret.
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
from audit.messages.outcomes import Completed, ReplayFailed, ReplayRefused
from audit.pages.labels import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of trying. ``values`` are those that the subject would have; None if none."""

    would_work: bool
    words: str
    values: Values
    duration_ms: int


def rehearse(request: ApprovalRequest, command: Command) -> Tried:
    """Carry a held command out as its requester, look at what it does, and undo all of it."""
    started = time.perf_counter()
    rehearsed = dispatch.rehearse(
        command,
        held=execution.released(request),
        expected_number=staleness.number_to_expect(request),
        look=lambda: subjects.present_values(request.subject_reference),
    )
    match rehearsed.outcome:
        case Completed():
            happened = ", ".join(map(words, rehearsed.event_types)) or "no events"
            said = f"It would succeed now: {happened}."
        case ReplayRefused(error=error):
            said = f"It would be refused now: {error.message}"
        case ReplayFailed(error=error):
            said = f"It would fail now: {error.message}"
    return Tried(
        would_work=isinstance(rehearsed.outcome, Completed),
        words=said,
        values=rehearsed.seen,
        duration_ms=round((time.perf_counter() - started) * 1000),
    )
