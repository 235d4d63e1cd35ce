"""Attempts at commands as lines of a page: in words, with their events, causes and changes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from audit.actors.actors import Actor
from audit.log.commands import ChangeOutsideCommand
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord, Status
from audit.pages.changes import Change
from audit.pages.labels import fields, shown, span, status_words, words
from audit.subjects.names import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One event in words."""

    record: EventRecord
    words: str

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the event says."""
        return fields(self.record.data)


@dataclass(slots=True, kw_only=True)
class Line:
    """One attempt at a command. ``causes`` are the attempts that it brought about.

    ``may_open`` tells whether the reader may see the record, and not only what came of it.
    """

    record: CommandRecord
    subject: Subject | None
    label: str
    may_open: bool = True
    facts: list[Fact] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    cause: CommandRecord | None = None
    causes: list["Line"] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        """When it was made. What a later command brought about happened with that one."""
        if self.cause is None:
            return self.record.received_at
        return max(self.record.received_at, self.cause.received_at)

    @property
    def took(self) -> str:
        """How long it took."""
        return span(timedelta(microseconds=self.record.duration_us))

    @property
    def is_outside(self) -> bool:
        """Whether something was changed outside every other command."""
        return self.record.message_type == ChangeOutsideCommand.message_type

    @property
    def command_words(self) -> str:
        """What was asked for."""
        return words(self.record.message_type)

    @property
    def status_words(self) -> str:
        """What came of it."""
        return status_words(self.record.status)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the command said."""
        return fields(self.record.data)

    @property
    def decision(self) -> str:
        """What the policies decided on it."""
        return shown(self.record.decision)

    @property
    def headline(self) -> str:
        """What happened; for what did not happen, what was asked for and what came of it."""
        if self.record.status == Status.SUCCEEDED and self.facts:
            first, *rest = [fact.words for fact in self.facts]
            return ", ".join([first, *(each[:1].lower() + each[1:] for each in rest)])
        return f"{self.command_words}: {self.status_words}"

    @property
    def cause_words(self) -> str:
        """Which command brought this one about, and how; empty if none did."""
        if self.cause is None:
            return ""
        by = f"{self.cause.actor_label}'s “{words(self.cause.message_type)}”"
        if self.record.status == Status.CANCELLED:
            return f"cancelled by {by}"
        return f"released by {by}" if self.record.attempt > 1 else f"part of {by}"


def window(
    records: QuerySet[CommandRecord], *, before: int | None, size: int
) -> tuple[list[CommandRecord], int | None]:
    """Take the newest records before a position, and tell from where on there are older ones."""
    if before is not None:
        records = records.filter(position__lt=before)
    found = list(records.order_by("-position")[: size + 1])
    return found[:size], found[size - 1].position if len(found) > size else None


def bare_lines(records: Iterable[CommandRecord], *, actor: Actor) -> list[Line]:
    """Make lines in the given order, with the names of their subjects: one query a subject type."""
    records = list(records)
    subjects = [_subject(record) for record in records]
    names = labels(filter(None, subjects), actor=actor)
    return [
        Line(
            record=record,
            subject=subject,
            label=names[subject] if subject else "",
            may_open=actor.may_see(record.tenant),
        )
        for record, subject in zip(records, subjects, strict=True)
    ]


def full_lines(records: Iterable[CommandRecord], *, actor: Actor) -> list[Line]:
    """Make lines with their events and causes as well: two queries more."""
    lines = bare_lines(records, actor=actor)
    facts = _facts([line.record.command_id for line in lines], actor=actor)
    causes = _causes([line.record for line in lines], actor=actor)
    for line in lines:
        line.facts = facts[line.record.command_id, line.record.attempt]
        line.cause = causes.get(line.record.causation_id)
    return lines


def arrange(lines: Sequence[Line]) -> list[Line]:
    """Hang each line below the one that brought it about; return those that none did.

    The log has what a command brought about before the command itself, because that is settled
    last; people read it the other way round.
    """
    by_position = sorted(lines, key=lambda line: line.record.position)
    roots: list[Line] = []
    for line in by_position:
        cause = _cause_of(line, among=by_position)
        (cause.causes if cause else roots).append(line)
    return roots


def in_order(roots: Iterable[Line]) -> Iterator[Line]:
    """Walk through arranged lines: each before what it brought about."""
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


def _subject(record: CommandRecord) -> Subject | None:
    return Subject(record.subject_type, record.subject_id) if record.subject_type else None


def _facts(
    command_ids: Sequence[UUID], *, actor: Actor
) -> defaultdict[tuple[UUID, int], list[Fact]]:
    found: defaultdict[tuple[UUID, int], list[Fact]] = defaultdict(list)
    events = actor.confine(EventRecord.objects.filter(command_id__in=command_ids))
    for event in events.order_by("position"):
        fact = Fact(record=event, words=words(event.message_type))
        found[event.command_id, event.attempt].append(fact)
    return found


def _causes(records: Sequence[CommandRecord], *, actor: Actor) -> dict[UUID | None, CommandRecord]:
    causes: dict[UUID | None, CommandRecord] = {each.command_id: each for each in records}
    missing = {each.causation_id for each in records if each.causation_id} - causes.keys()
    if missing:
        found = actor.confine(CommandRecord.objects.filter(command_id__in=missing))
        causes |= {each.command_id: each for each in found.order_by("attempt")}
    return causes
