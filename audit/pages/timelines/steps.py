"""A case as a tree of steps: the request, commands, events and history rows, in time."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from audit.messages.classes import Subject
from audit.models.records import CommandRecord, Status
from audit.pages.changes import Change, Revision
from audit.pages.labels import span
from audit.pages.lines import Fact, Line, in_order

_DEEPEST = 6
_ID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


@dataclass(slots=True, kw_only=True)
class Step:
    """One thing that happened. ``kind`` is request, command, event or change.

    ``label`` is what a picture has room for; ``held_until`` is when a held command was settled.
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
    held_until: datetime | None = None
    depth: int = 0
    inner: list["Step"] = field(default_factory=list)

    @property
    def ends_at(self) -> datetime:
        """When it was over."""
        return self.until or self.at

    @property
    def milliseconds(self) -> str:
        """The part of the time that is shorter than a second."""
        return f"{self.at.microsecond // 1000:03}"

    @property
    def indent(self) -> int:
        """How far in it is shown."""
        return min(self.depth, _DEEPEST)

    @property
    def about(self) -> str:
        """Name what the command is about, with the beginning of an id in place of the id."""
        return _ID.sub(r"\1…", self.line.label) if self.line else ""

    @property
    def took(self) -> str:
        """How long it took, for what takes time."""
        return span(self.until - self.at) if self.until else ""

    @property
    def held(self) -> str:
        """How long it was held until it was settled."""
        return span(self.held_until - self.ends_at) if self.held_until else ""

    @property
    def title(self) -> str:
        """Everything in one line, for whoever points at it."""
        parts = (self.words, self.note, f"{self.at:%Y-%m-%d %H:%M:%S.%f} UTC")
        took = f"took {self.took}" if self.took else ""
        held = f"then held {self.held}" if self.held else ""
        return " · ".join(filter(None, (*parts, took, held)))


def tree(
    roots: Sequence[Line], *, revisions: dict[Subject, list[Revision]], correlation_id: UUID
) -> list[Step]:
    """Build the steps of a case.

    A case is named after its first command, so whatever was not brought about by another
    command, such as a vote, is there because of that one and hangs below it.
    """
    changed = _by_attempt(list(in_order(roots)), revisions)
    steps = [_command(line, changed) for line in roots]
    _tell_waits(steps)
    first = next((step for step in steps if _is_first(step, correlation_id)), None)
    if first is None:
        return steps
    first.inner += [step for step in steps if step is not first]
    first.inner.sort(key=lambda step: step.at)
    return [_request(first)] if _has_request(first) else [first]


def walk(steps: Sequence[Step], *, depth: int = 0) -> Iterator[Step]:
    """Go through steps in order, each before what it brought about."""
    for step in steps:
        step.depth = depth
        yield step
        yield from walk(step.inner, depth=depth + 1)


def _by_attempt(
    lines: Sequence[Line], revisions: dict[Subject, list[Revision]]
) -> dict[int, list[Step]]:
    """Find the attempt that wrote each history row: the one that was under way, by one clock."""
    attempts: defaultdict[UUID | None, list[Line]] = defaultdict(list)
    for line in lines:
        attempts[line.record.command_id].append(line)
    changed: defaultdict[int, list[Step]] = defaultdict(list)
    for subject, found in revisions.items():
        for each in found:
            for line in attempts[each.command_id]:
                if line.at <= each.at <= line.at + _taken(line.record):
                    changed[line.record.position].append(_change(subject, each))
    return changed


def _is_first(step: Step, correlation_id: UUID) -> bool:
    return step.line is not None and step.line.record.command_id == correlation_id


def _command(line: Line, changed: dict[int, list[Step]]) -> Step:
    record = line.record
    has_gone_on = record.status in (Status.SUCCEEDED, Status.POSTPONED)
    did = line.command_words if has_gone_on else f"{line.command_words}, {record.status}"
    step = Step(
        kind="command",
        label=f"{did} · {record.actor_label}",
        words=f"{line.command_words}: {line.status_words}",
        note=f"{record.actor_label}, via {record.channel}",
        at=line.at,
        until=line.at + _taken(record),
        status=record.status,
        url=reverse("audit:command", args=[record.command_id]) + f"#attempt-{record.attempt}",
        line=line,
    )
    step.inner = [_event(fact) for fact in line.facts]
    step.inner += changed.get(record.position, [])
    step.inner += [_command(each, changed) for each in line.causes]
    step.inner.sort(key=lambda inner: inner.at)
    return step


def _taken(record: CommandRecord) -> timedelta:
    # What was called off never ran: its record is a copy of the one that was held.
    is_copy = record.status == Status.CANCELLED
    return timedelta() if is_copy else timedelta(microseconds=record.duration_us)


def _event(fact: Fact) -> Step:
    record = fact.record
    return Step(
        kind="event",
        label=fact.words,
        words=fact.words,
        note=f"number {record.number} of {record.subject_type}",
        at=record.occurred_at,
        url=reverse("audit:command", args=[record.command_id]) + f"#event-{record.id}",
    )


def _change(subject: Subject, revision: Revision) -> Step:
    moment = urlencode({"at": revision.at.isoformat()})
    words = f"{subject.type} {revision.words}"
    is_new = revision.row.history_type == "+"
    return Step(
        kind="change",
        label=words,
        words=f"History: {words}",
        note="" if is_new else ", ".join(f"{e.field}: {e.after}" for e in revision.changes),
        at=revision.at,
        url=f"{reverse('audit:subject', args=[*subject])}?{moment}",
        changes=revision.changes,
        is_new=is_new,
    )


def _has_request(step: Step) -> bool:
    return step.line is not None and bool(
        step.line.record.client_address or step.line.record.request_id
    )


def _request(first: Step) -> Step:
    """Put the HTTP request in front that brought the first command."""
    record = first.line.record if first.line else None
    note = [record.actor_label] if record else []
    if record and record.client_address:
        note.append(f"from {record.client_address}")
    if record and record.request_id:
        note.append(f"request id {record.request_id}")
    channel = record.channel if record else ""
    return Step(
        kind="request",
        label=f"Request via {channel}",
        words=f"Request via {channel}",
        note=", ".join(note),
        at=first.at,
        url=first.url,
        inner=[first],
    )


def _tell_waits(steps: Sequence[Step]) -> None:
    """Note until when each held command was held: until its next attempt began."""
    settled: dict[tuple[UUID, int], datetime] = {}
    for step in walk(steps):
        if step.line:
            record = step.line.record
            settled[record.command_id, record.attempt] = step.at
    for step in walk(steps):
        if step.line and step.status == Status.POSTPONED:
            record = step.line.record
            step.held_until = settled.get((record.command_id, record.attempt + 1))
