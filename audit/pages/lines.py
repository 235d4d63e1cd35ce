"""Lines of a page: command attempts with labels, events, causes and changes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from types import MappingProxyType
from uuid import UUID

from django.db.models import Model, QuerySet

from audit.actors.actors import Actor
from audit.log import approvals, standings
from audit.log.commands import ChangeOutsideCommand
from audit.messages.characters import actor_name
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord, Record, Status
from audit.pages.changes import Change
from audit.pages.labels import attempted, fields, labeled, shown, span, status_words, words
from audit.subjects.names import found, labels_among
from audit.subjects.types import label_without_row
from audit.wire.loaders import within_calendar

# The most events of direct changes on a page.
MOST_DIRECT = 100
_NO_ROWS: Mapping[Subject, Model] = MappingProxyType({})


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
    ``is_waiting`` if the command still waits for approval. ``held_command`` is the command that
    this one decides, as a vote does, and ``approvers`` are those who approved this one.
    """

    record: CommandRecord
    subject: Subject | None
    label: str
    may_open: bool = True
    held_command: str = ""
    approvers: Sequence[str] = ()
    is_waiting: bool = False
    facts: list[Fact] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    cause: CommandRecord | None = None
    causes: list["Line"] = field(default_factory=list)

    @property
    def is_named(self) -> bool:
        """True if the label says more than the type and the id of the subject."""
        return self.subject is not None and self.label != label_without_row(self.subject)

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
    def full_words(self) -> str:
        """The label of the command's type, and what it decides."""
        return labeled(self.record.message_type, held_command=self.held_command)

    @property
    def tone(self) -> str:
        """The status that the color stands for: a denial is red although it succeeded."""
        record = self.record
        is_denial = record.status == Status.SUCCEEDED and approvals.is_denial(record.message_type)
        return "denied" if is_denial else record.status

    @property
    def doer(self) -> CommandRecord:
        """The record of who acted: a held command is cancelled by the person who ended it."""
        return self.cause if self.is_cancelled and self.cause else self.record

    @property
    def badge(self) -> str:
        """The word in the color of the outcome."""
        return self.tone if self.tone == "denied" else self.status_words

    @property
    def status_words(self) -> str:
        """The label of the attempt's status."""
        return status_words(self.record.status, is_waiting=self.is_waiting)

    @property
    def attempted_words(self) -> str:
        """The label of the command's type with the attempt's status."""
        return attempted(self.command_words, self.record.status, is_waiting=self.is_waiting)

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
        return self.attempted_words

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
    read = list(records.order_by("-position")[: size + 1])
    return read[:size], read[size - 1].position if len(read) > size else None


def bare_lines(
    records: Iterable[CommandRecord], *, actor: Actor, known: Mapping[Subject, Model] = _NO_ROWS
) -> list[Line]:
    """Return lines with the labels of their subjects: one query for each subject type.

    Attempts that waited for approval take two more queries. ``known`` are subjects that are read.
    """
    subjects = [(record, subject_of(record)) for record in records]
    named = [subject for _, subject in subjects if subject]
    rows = {**known, **found(set(named) - known.keys(), actor=actor)}
    names = labels_among(named, rows, actor=actor)
    waiting = standings.waiting(record for record, _ in subjects)
    decided = approvals.decided_by([record for record, _ in subjects], rows=rows, actor=actor)
    return [
        Line(
            record=record,
            subject=subject,
            label=names[subject] if subject else "",
            may_open=actor.may_see(record.tenant),
            held_command=each.held_command,
            approvers=each.approvers,
            is_waiting=record.command_id in waiting,
        )
        for (record, subject), each in zip(subjects, decided, strict=True)
    ]


def full_lines(
    records: Iterable[CommandRecord],
    *,
    actor: Actor,
    known: Mapping[Subject, Model] = _NO_ROWS,
    about: Subject | None = None,
) -> list[Line]:
    """Return lines with their events and causes, too: two more queries, or three.

    A direct change may have an event for each row of a table: these are those of one subject, or
    the first ones.
    """
    lines = bare_lines(records, actor=actor, known=known)
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
    facts: defaultdict[tuple[UUID, int], list[Fact]] = defaultdict(list)
    direct = [line.record.command_id for line in lines if line.is_outside]
    others = [line.record.command_id for line in lines if not line.is_outside]
    events = [actor.confine(EventRecord.objects.filter(command_id__in=others)).order_by("position")]
    if direct:
        of_direct = actor.confine(EventRecord.objects.filter(command_id__in=direct))
        if about:
            of_direct = of_direct.filter(subject_type=about.type, subject_id=about.id)
        events.append(of_direct.order_by("position")[:MOST_DIRECT])
    for event in chain.from_iterable(events):
        facts[event.command_id, event.attempt].append(Fact(event))
    return facts


def _causes(records: Sequence[CommandRecord], *, actor: Actor) -> dict[UUID | None, CommandRecord]:
    causes: dict[UUID | None, CommandRecord] = {each.command_id: each for each in records}
    missing = {each.causation_id for each in records if each.causation_id} - causes.keys()
    if missing:
        others = actor.confine(CommandRecord.objects.filter(command_id__in=missing))
        causes |= {each.command_id: each for each in others.order_by("attempt")}
    return causes
