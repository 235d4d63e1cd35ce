"""A case as a tree of steps in time: the request, commands, events and history rows."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from audit.messages.characters import actor_name
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, Status
from audit.pages.changes import Change, Revision
from audit.pages.labels import span
from audit.pages.lines import Fact, Line, in_order

_DEEPEST = 6
_ID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


@dataclass(slots=True, kw_only=True)
class Step:
    """A step of a case. ``kind`` is request, command, event or change.

    ``label`` is the short text for the chart; ``waited_until`` is the end of a wait for approval.
    """

    kind: str
    label: str
    words: str
    note: str
    at: datetime
    url: str
    until: datetime | None = None
    status: str = ""
    line: Line | None = None
    changes: list[Change] = field(default_factory=list)
    is_new: bool = False
    waited_until: datetime | None = None
    depth: int = 0
    inner: list["Step"] = field(default_factory=list)

    @property
    def ends_at(self) -> datetime:
        return self.until or self.at

    @property
    def indent(self) -> int:
        """The level of indentation in the table."""
        return min(self.depth, _DEEPEST)

    @property
    def about(self) -> str:
        """The label of the command's subject, with ids shortened."""
        return _ID.sub(r"\1…", self.line.label) if self.line else ""

    @property
    def took(self) -> str:
        """The duration; empty for steps without one."""
        return span(self.until - self.at) if self.until else ""

    @property
    def waited(self) -> str:
        """The time that a command waited for approval; empty if it did not, or still does."""
        return span(self.waited_until - self.ends_at) if self.waited_until else ""

    @property
    def title(self) -> str:
        """The tooltip: everything about the step on one line."""
        parts = (self.words, self.note, f"{self.at:%Y-%m-%d %H:%M:%S.%f} UTC")
        took = f"took {self.took}" if self.took else ""
        waited = f"then waited {self.waited} for approval" if self.waited else ""
        return " · ".join(filter(None, (*parts, took, waited)))


def tree(
    roots: Sequence[Line], *, revisions: dict[Subject, list[Revision]], correlation_id: UUID
) -> list[Step]:
    """Return the steps of a case.

    The id of a case is that of its first command. So a command without a cause, such as a vote, is
    in the case because of the first command, and belongs below it.
    """
    changed = _by_attempt(list(in_order(roots)), revisions)
    steps = [_command(line, changed) for line in roots]
    _note_ends(steps)
    for line, first in zip(roots, steps, strict=True):
        if line.record.command_id == correlation_id:
            first.inner += [step for step in steps if step is not first]
            first.inner.sort(key=lambda step: step.at)
            return [_with_request(first, line.record)]
    return steps


def in_depth(steps: Sequence[Step], *, depth: int = 0) -> Iterator[Step]:
    """Yield steps in order, each before those that it caused, and set their depths."""
    for step in steps:
        step.depth = depth
        yield step
        yield from in_depth(step.inner, depth=depth + 1)


def _by_attempt(
    lines: Sequence[Line], revisions: dict[Subject, list[Revision]]
) -> dict[int, list[Step]]:
    """Return the history rows that each attempt wrote."""
    attempts: defaultdict[UUID | None, list[Line]] = defaultdict(list)
    for line in lines:
        attempts[line.record.command_id].append(line)
    changed: defaultdict[int, list[Step]] = defaultdict(list)
    for subject, found in revisions.items():
        for each in found:
            for line in attempts[each.command_id]:
                if _has_written(line.record, each):
                    changed[line.record.position].append(_change(subject, each))
    return changed


def _has_written(record: CommandRecord, revision: Revision) -> bool:
    attempt = revision.row.history_attempt
    if attempt is not None:
        return bool(attempt == record.attempt)
    # An older row: it was written during the attempt, by the same clock.
    return record.received_at <= revision.at <= record.received_at + record.duration


def _command(line: Line, changed: dict[int, list[Step]]) -> Step:
    record = line.record
    has_gone_on = record.status in (Status.SUCCEEDED, Status.POSTPONED)
    did = line.command_words if has_gone_on else f"{line.command_words}, {line.status_words}"
    inner = [
        *map(_event, line.facts),
        *changed.get(record.position, []),
        *(_command(each, changed) for each in line.causes),
    ]
    # The actor of a cancelled command did nothing then: its cause has the person who ended it.
    is_known = not line.is_cancelled or line.cause
    by = [actor_name(line.doer.actor_label)] if is_known else []
    return Step(
        kind="command",
        label=" · ".join([did, *by]),
        words=line.attempted_words,
        note=f"{actor_name(line.doer.actor_label)}, via {line.doer.channel}",
        at=line.at,
        # A cancelled command never ran: its record is a copy of the held one.
        until=None if line.is_cancelled else line.at + record.duration,
        status=line.tone,
        url=reverse("countersign:command", args=[record.command_id]) + f"#attempt-{record.attempt}",
        line=line,
        inner=sorted(inner, key=lambda step: step.at),
    )


def _event(fact: Fact) -> Step:
    record = fact.record
    return Step(
        kind="event",
        label=fact.words,
        words=fact.words,
        note=f"number {record.number} of {record.subject_type}",
        at=record.occurred_at,
        url=reverse("countersign:command", args=[record.command_id]) + f"#event-{record.id}",
    )


def _change(subject: Subject, revision: Revision) -> Step:
    at = urlencode({"at": revision.at.isoformat()})
    words = f"{subject.type} {revision.words}"
    is_new = revision.row.history_type == "+"
    return Step(
        kind="change",
        label=words,
        words=f"History: {words}",
        note="" if is_new else ", ".join(f"{e.field}: {e.after}" for e in revision.changes),
        at=revision.at,
        url=f"{reverse('countersign:subject', args=[*subject])}?{at}",
        changes=revision.changes,
        is_new=is_new,
    )


def _with_request(first: Step, record: CommandRecord) -> Step:
    """Return the HTTP request that sent the first command, or the command if it is unknown."""
    if not (record.client_address or record.request_id):
        return first
    address = f"from {record.client_address}" if record.client_address else ""
    request_id = f"request id {record.request_id}" if record.request_id else ""
    words = f"Request via {record.channel}"
    return Step(
        kind="request",
        label=words,
        words=words,
        note=", ".join(filter(None, (record.actor_label, address, request_id))),
        at=first.at,
        url=first.url,
        inner=[first],
    )


def _note_ends(steps: Sequence[Step]) -> None:
    """Set until when each held command waited: until its next attempt began."""
    records = [(step.line.record, step) for step in in_depth(steps) if step.line]
    began = {(record.command_id, record.attempt): step.at for record, step in records}
    for record, step in records:
        if record.status == Status.POSTPONED:
            step.waited_until = began.get((record.command_id, record.attempt + 1))
