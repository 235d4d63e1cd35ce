"""Rehearsals: a held command is executed, then rolled back.

The page of a request does so when it is opened, to show what would change. A rehearsal takes the
same locks as an execution, so that one gives up soon; the button on the page waits longer. Pages
that a browser loads in advance rehearse nothing. It leaves no record, history, e-mail or secret.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

from approvals.decisions import execution
from approvals.models import ApprovalRequest
from approvals.requests import effects, staleness
from approvals.requests.presentation import Ballot, Presented
from approvals.sealing import values as subjects
from approvals.sealing.values import Values
from audit.bus import dispatch
from audit.messages import exceptions
from audit.messages.classes import Command, Event
from audit.messages.outcomes import Completed, ReplayFailed, ReplayRefused, Trial
from audit.pages.labels import words

#: The longest that a statement may take when a page is opened: a lock is awaited for 100 ms.
SHORT_TIMEOUT = timedelta(milliseconds=400)
#: The longest that a statement may take on the button: a lock is awaited for 500 ms.
LONG_TIMEOUT = timedelta(seconds=2)
_UNFINISHED = (exceptions.TimedOut, exceptions.Deadlocked, exceptions.ConnectionLost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The result of a rehearsal. ``values`` are those that the subject would have, if any.

    ``refusal`` is the reason why it would be refused. ``is_unfinished``: it was given up before its
    result was known.
    """

    would_work: bool
    refusal: str
    is_unfinished: bool
    words: str
    values: Values
    events: tuple[Event, ...]
    duration_ms: int


def warn_of_refusal(ballot: Ballot, presented: Presented) -> None:
    """Rehearse a command that a ballot would execute, and display the refusal if there is one."""
    command = presented.command
    if command is None or effects.EXECUTES not in ballot.effects.values():
        return
    tried = rehearse(presented.request, command, timeout=SHORT_TIMEOUT)
    ballot.expect_refusal(tried.refusal)


def rehearse(request: ApprovalRequest, command: Command, *, timeout: timedelta) -> Tried:
    """Run a held command as its requester, read its effects, and roll it back.

    Its effective requirements have been read.
    """
    started = time.perf_counter()
    rehearsed = dispatch.rehearse(
        command,
        held=execution.released(request),
        expected_number=request.subject_number,
        accepts=lambda number: staleness.is_current(request, number=number),
        trial=Trial(
            look=lambda _: subjects.present_values(request.subject_reference), timeout=timeout
        ),
    )
    is_unfinished, refusal = False, ""
    match request.barrier, rehearsed.outcome:
        case exceptions.CommandError() as barrier, _:
            refusal = barrier.message
            text = f"It would be refused now: {refusal}"
        case _, Completed():
            events = ", ".join(words(each.message_type) for each in rehearsed.events) or "no events"
            text = f"It would succeed now: {events}."
        case _, ReplayRefused(error=error):
            refusal = error.message
            text = f"It would be refused now: {refusal}"
        case _, ReplayFailed(error=error):
            text = f"It would fail now: {error.message}"
            is_unfinished = isinstance(error, _UNFINISHED)
    return Tried(
        would_work=request.barrier is None and isinstance(rehearsed.outcome, Completed),
        refusal=refusal,
        is_unfinished=is_unfinished,
        words=text,
        values=rehearsed.seen,
        events=rehearsed.events,
        duration_ms=round((time.perf_counter() - started) * 1000),
    )
