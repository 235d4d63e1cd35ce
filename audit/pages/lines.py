"""Lines of a page: command attempts with labels, events, causes and changes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from uuid import UUID

from django.db.models import QuerySet

from audit.actors.actors import Actor
from audit.log import standings
from audit.log.commands import ChangeOutsideCommand
from audit.messages.characters import actor_name
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord, Record, Status
from audit.pages.changes import Change
from audit.pages.labels import fields, shown, span, status_words, words
from audit.subjects.names import labels
from audit.wire.loaders import within_calendar

# The most events of direct changes on a page.
MOST_DIRECT = 100


@dataclass(frozen=True, slots=True)
class Fact:
    """An event as a page shows it."""

    record: EventRecord

    @property
    def words(self) -> str:
        """The label of the event's type."""
        return words(self.record.message_type)

    @property
    def fields(self) -> list[tuple[str, str]]:
        return fields(self.record.data)


@dataclass(slots=True, kw_only=True)
class Line:
    """A command attempt as a page shows it. ``causes`` are the attempts that it caused.

    ``may_open`` is True if the reader may see the record, and not only the change that it made;
    ``is_waiting`` if the command still waits for approval.
    """

    record: CommandRecord
    subject: Subject | None
    label: str
    may_open: bool = True
    is_waiting: bool = False
    facts: list[Fact] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    cause: CommandRecord | None = None
    causes: list["Line"] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        """The time of the attempt, not before that of its cause: a held command came in earlier."""
        if self.cause is None:
            return within_calendar(self.record.received_at)
        return within_calendar(max(self.record.received_at, self.cause.received_at))

    @property
    def took(self) -> str:
        return span(self.record.duration)

    @property
    def is_outside(self) -> bool:
        """True for a direct database change."""
        return self.record.message_type == ChangeOutsideCommand.message_type

    @property
    def command_words(self) -> str:
        """The label of the command's type."""
        return words(self.record.message_type)

    @property
    def status_words(self) -> str:
        """The label of the attempt's status."""
        return status_words(self.record.status, is_waiting=self.is_waiting)

    @property
    def is_cancelled(self) -> bool:
        """True if the command was ended before execution, so that its actor did nothing then."""
        return self.record.status == Status.CANCELLED

    @property
    def fields(self) -> list[tuple[str, str]]:
        return fields(self.record.data)

    @property
    def decision(self) -> str:
        """The decision of the policies."""
        return shown(self.record.decision)

    @property
    def headline(self) -> str:
        """The events of a command that succeeded; else the command and its status."""
        if self.record.status == Status.SUCCEEDED and self.facts:
            first, *rest = dict.fromkeys(fact.words for fact in self.facts)
            return ", ".join([first, *(each[:1].lower() + each[1:] for each in rest)])
        return f"{self.command_words}: {self.status_words}"

    @property
    def cause_words(self) -> str:
        """The command that caused this one, and how; empty without a cause."""
        if self.cause is None:
            return ""
        by = f"{actor_name(self.cause.actor_label)}'s “{words(self.cause.message_type)}”"
        if self.is_cancelled:
            return f"ended by {by}"
        return f"released by {by}" if self.record.attempt > 1 else f"part of {by}"


def subject_of(record: Record) -> Subject | None:
    """Return the subject of a record, or None if it has no subject."""
    return Subject(record.subject_type, record.subject_id) if record.subject_type else None


def window(
    records: QuerySet[CommandRecord], *, before: int | None, size: int
) -> tuple[list[CommandRecord], int | None]:
    """Return the newest records before a position, and the position that older ones are before."""
    if before is not None:
        records = records.filter(position__lt=before)
    found = list(records.order_by("-position")[: size + 1])
    return found[:size], found[size - 1].position if len(found) > size else None


def bare_lines(records: Iterable[CommandRecord], *, actor: Actor) -> list[Line]:
    """Return lines with the labels of their subjects: one query for each subject type.

    Attempts that waited for approval take one more query.
    """
    subjects = [(record, subject_of(record)) for record in records]
    waiting = standings.waiting(record for record, _ in subjects)
    names = labels((subject for _, subject in subjects if subject), actor=actor)
    return [
        Line(
            record=record,
            subject=subject,
            label=names[subject] if subject else "",
            may_open=actor.may_see(record.tenant),
            is_waiting=record.command_id in waiting,
        )
        for record, subject in subjects
    ]


def full_lines(
    records: Iterable[CommandRecord], *, actor: Actor, about: Subject | None = None
) -> list[Line]:
    """Return lines with their events and causes, too: two more queries, or three.

    A direct change may have an event for each row of a table: these are those of one subject, or
    the first ones.
    """
    lines = bare_lines(records, actor=actor)
    facts = _facts(lines, actor=actor, about=about)
    causes = _causes([line.record for line in lines], actor=actor)
    for line in lines:
        line.facts = facts[line.record.command_id, line.record.attempt]
        line.cause = causes.get(line.record.causation_id)
    return lines


def arrange(lines: Sequence[Line]) -> list[Line]:
    """Add each line to the ``causes`` of the line that caused it; return the remaining lines.

    In the log a command comes after those that it caused, because it is settled last; people read
    it the other way round.
    """
    by_position = sorted(lines, key=lambda line: line.record.position)
    roots: list[Line] = []
    for line in by_position:
        cause = _cause_of(line, among=by_position)
        (cause.causes if cause else roots).append(line)
    return roots


def in_order(roots: Iterable[Line]) -> Iterator[Line]:
    """Yield arranged lines, each before those that it caused."""
    for line in roots:
        yield line
        yield from in_order(line.causes)


def _cause_of(line: Line, *, among: Sequence[Line]) -> Line | None:
    wanted = line.record.causation_id
    if wanted is None:
        return None
    # The attempt that this one ran inside is the first to be settled after it.
    later = (each for each in among if each.record.position > line.record.position)
    return next((each for each in later if each.record.command_id == wanted), None)


def _facts(
    lines: Sequence[Line], *, actor: Actor, about: Subject | None
) -> defaultdict[tuple[UUID, int], list[Fact]]:
    found: defaultdict[tuple[UUID, int], list[Fact]] = defaultdict(list)
    direct = [line.record.command_id for line in lines if line.is_outside]
    others = [line.record.command_id for line in lines if not line.is_outside]
    events = [actor.confine(EventRecord.objects.filter(command_id__in=others)).order_by("position")]
    if direct:
        of_direct = actor.confine(EventRecord.objects.filter(command_id__in=direct))
        if about:
            of_direct = of_direct.filter(subject_type=about.type, subject_id=about.id)
        events.append(of_direct.order_by("position")[:MOST_DIRECT])
    for event in chain.from_iterable(events):
        found[event.command_id, event.attempt].append(Fact(event))
    return found


def _causes(records: Sequence[CommandRecord], *, actor: Actor) -> dict[UUID | None, CommandRecord]:
    causes: dict[UUID | None, CommandRecord] = {each.command_id: each for each in records}
    missing = {each.causation_id for each in records if each.causation_id} - causes.keys()
    if missing:
        found = actor.confine(CommandRecord.objects.filter(command_id__in=missing))
        causes |= {each.command_id: each for each in found.order_by("attempt")}
    return causes
