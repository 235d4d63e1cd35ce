"""What auditors' pages show, and the questions to the log behind it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from audit.actors import Actor
from audit.changes import changes_by_command
from audit.lines import Line, arrange, bare_lines, full_lines, in_order, visible
from audit.messages import Subject
from audit.models import CommandRecord, EventRecord, Status
from audit.registry import label_of
from audit.subjects import find, labels
from audit.words import sentence

RECENT_LINES = 50
STORY_LINES = 100
AFFAIR_LINES = 500
_FURTHEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A page of the log, newest first. ``older`` is where the next page begins."""

    lines: list[Line]
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened to one subject, oldest first. ``older`` is where the page before it ends."""

    subject: Subject
    label: str
    lines: list[Line]
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affair:
    """Everything that came of one command, as a tree."""

    correlation_id: UUID
    roots: list[Line]
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPage:
    """One command with all of its attempts, the first one first."""

    command_id: UUID
    correlation_id: UUID
    sentence: str
    lines: list[Line]


def recent(actor: Actor, *, matching: Q, before: int | None) -> Recent:
    """Read the newest matching attempts, without counting them."""
    records = visible(CommandRecord.objects.filter(matching), actor)
    records = records.defer("fingerprint", "data", "decision")
    page, older = _window(records, before=before, size=RECENT_LINES)
    return Recent(lines=bare_lines(page, actor=actor), older=older)


def story(subject: Subject, *, actor: Actor, before: int | None) -> Story | None:
    """Read what happened to a subject, and in the affairs that it was part of.

    None if there is nothing that the actor may see.
    """
    instance = find(subject, actor=actor)
    page, older = _window(_of_affairs_about(subject, actor=actor), before=before, size=STORY_LINES)
    if instance is None:
        lines = full_lines(page, actor=actor)
        label = labels([subject], actor=actor)[subject]
    else:
        lines = _lines_with_changes(page, instance, actor=actor, older=older, before=before)
        label = label_of(instance)
    if not lines and instance is None:
        return None
    ordered = list(in_order(arrange(lines)))
    return Story(subject=subject, label=label, lines=ordered, older=older)


def affair(correlation_id: UUID, *, actor: Actor) -> Affair | None:
    """Read every attempt and event of an affair; None if the actor may see nothing of it."""
    records = visible(CommandRecord.objects.filter(correlation_id=correlation_id), actor)
    found = list(records.order_by("position")[: AFFAIR_LINES + 1])
    if not found:
        return None
    roots = arrange(full_lines(found[:AFFAIR_LINES], actor=actor))
    return Affair(correlation_id=correlation_id, roots=roots, is_cut=len(found) > AFFAIR_LINES)


def command(command_id: UUID, *, actor: Actor) -> CommandPage | None:
    """Read every attempt at a command; None if the actor may see nothing of it."""
    records = visible(CommandRecord.objects.filter(command_id=command_id), actor)
    lines = full_lines(records.order_by("attempt"), actor=actor)
    if not lines:
        return None
    first = lines[0]
    return CommandPage(
        command_id=command_id,
        correlation_id=first.record.correlation_id,
        sentence=sentence(first.record, label=first.label) or first.command_words,
        lines=lines,
    )


def _window(
    records: QuerySet[CommandRecord], *, before: int | None, size: int
) -> tuple[list[CommandRecord], int | None]:
    """Take the newest records before a position, and tell from where on there are older ones."""
    if before is not None:
        records = records.filter(position__lt=before)
    found = list(records.order_by("-position")[: size + 1])
    return found[:size], found[size - 1].position if len(found) > size else None


def _of_affairs_about(subject: Subject, *, actor: Actor) -> QuerySet[CommandRecord]:
    about = {"subject_type": subject.type, "subject_id": subject.id}
    commands = visible(CommandRecord.objects.filter(**about), actor).values("correlation_id")
    events = visible(EventRecord.objects.filter(**about), actor).values("correlation_id")
    affairs = commands.union(events)
    return visible(CommandRecord.objects.filter(correlation_id__in=affairs), actor)


def _lines_with_changes(
    page: list[CommandRecord],
    instance: Model,
    *,
    actor: Actor,
    older: int | None,
    before: int | None,
) -> list[Line]:
    """Make lines that tell what changed, also of commands that are about nothing, or all things.

    Such as a change by hand: whoever may see the subject may see who changed it.
    """
    changes = changes_by_command(
        instance,
        start=min(each.received_at for each in page) if older else None,
        end=max(map(_settled_at, page)) if before and page else None,
    )
    others = changes.keys() - {each.command_id for each in page}
    by_others = CommandRecord.objects.filter(
        command_id__in=others, position__gte=older or 0, position__lt=before or _FURTHEST
    )
    lines = full_lines([*page, *(by_others if others else ())], actor=actor)
    for line in lines:
        if line.record.status == Status.SUCCEEDED:
            line.changes = changes.get(line.record.command_id, [])
    return lines


def _settled_at(record: CommandRecord) -> datetime:
    return record.received_at + timedelta(microseconds=record.duration_us)
