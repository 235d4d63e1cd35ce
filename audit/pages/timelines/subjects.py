"""What the page of a subject shows: all that happened to it, and what it was at a moment."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord, Status
from audit.pages.changes import Revision, history_of, revisions
from audit.pages.lines import Line, arrange, full_lines, in_order, window
from audit.pages.timelines.point_in_time import Moment, moment
from audit.subjects.names import find, labels
from audit.subjects.types import label_of

STORY_LINES = 100
MOST_REVISIONS = 1_000
_MOST_CASES = 2 * STORY_LINES
# What brought something about is written behind it, but in the same transaction.
_CLOSE = 1_000
_FURTHEST = 2**63 - 1
# A history row is written after its command came in, and by another clock.
_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnloggedChange:
    """A change that no command on record made."""

    revision: Revision

    @property
    def at(self) -> datetime:
        """When it was made."""
        return self.revision.at


#: What a timeline is made of.
Entry: TypeAlias = Line | UnloggedChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened to one subject, oldest first. ``older`` is where the page before it ends."""

    subject: Subject
    label: str
    entries: list[Entry]
    older: int | None
    is_cut: bool
    moment: Moment | None

    @property
    def most(self) -> int:
        """How many history rows are read for a page."""
        return MOST_REVISIONS

    @property
    def outside(self) -> int:
        """How many of the changes were made outside every other command."""
        return sum(isinstance(entry, UnloggedChange) or entry.is_outside for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """The records of one page, and where the pages before and after it meet this one."""

    records: list[CommandRecord]
    older: int | None
    before: int | None

    def start(self) -> datetime | None:
        """When it begins; None where it begins with the first record."""
        return self.records[-1].received_at if self.older else None

    def end(self) -> datetime | None:
        """When the next page begins; None where there is none."""
        if self.before is None:
            return None
        newer = CommandRecord.objects.filter(position=self.before)
        return newer.values_list("received_at", flat=True).first()

    def has(self, record: CommandRecord) -> bool:
        """Tell whether a record belongs on this page."""
        return (self.older or 0) <= record.position < (self.before or _FURTHEST)


def timeline(
    subject: Subject, *, actor: Actor, before: int | None, at: datetime | None
) -> Story | None:
    """Read what happened to a subject, and in the cases that it was part of.

    None if there is nothing that the actor may see.
    """
    instance = find(subject, actor=actor)
    about = _of_cases_about(subject, actor=actor, before=before)
    records, older = window(about, before=before, size=STORY_LINES)
    page = _Page(records=records, older=older, before=before)
    if instance is None and not records:
        return None
    revised = _revisions(page, instance) if instance else []
    entries = _entries(page, revised, actor=actor)
    return Story(
        subject=subject,
        label=label_of(instance) if instance else labels([subject], actor=actor)[subject],
        entries=sorted(entries, key=lambda entry: entry.at),
        older=older,
        is_cut=len(revised) == MOST_REVISIONS,
        moment=moment(subject, instance, at=at) if instance else None,
    )


def _of_cases_about(
    subject: Subject, *, actor: Actor, before: int | None
) -> QuerySet[CommandRecord]:
    """Find the records of the cases that the subject was lately part of.

    Left out is only what happened in a case, not to the subject, after so much else that the
    case is not among the latest. To read all cases of a subject takes seconds if it has
    changed fifty thousand times.
    """
    about = Q(subject_type=subject.type, subject_id=subject.id)
    if before is not None:
        about &= Q(position__lt=before + _CLOSE)
    commands = actor.confine(CommandRecord.objects.filter(about))
    events = actor.confine(EventRecord.objects.filter(about))
    latest = commands.order_by("-received_at", "-position").values("correlation_id")
    cases = latest[:_MOST_CASES].union(
        events.order_by("-number").values("correlation_id")[:_MOST_CASES]
    )
    return actor.confine(CommandRecord.objects.filter(correlation_id__in=cases))


def _entries(page: _Page, revised: Sequence[Revision], *, actor: Actor) -> list[Entry]:
    """Make lines that tell what changed, also of commands that are about nothing, or all things.

    Such as a change by hand: whoever may see the subject may see who changed it.
    """
    changed = _by_command(revised)
    others = changed.keys() - {each.command_id for each in page.records}
    named = [command_id for command_id in others if command_id]
    found = list(CommandRecord.objects.filter(command_id__in=named)) if named else []
    by_others = [record for record in found if page.has(record)]
    lines = full_lines([*page.records, *by_others], actor=actor)
    for line in lines:
        if line.record.status == Status.SUCCEEDED:
            made = changed.get(line.record.command_id, [])
            line.changes = [change for revision in made for change in revision.changes]
    unknown = others - {record.command_id for record in found}
    return [*in_order(arrange(lines)), *_unlogged(page, changed, unknown)]


def _revisions(page: _Page, instance: Model) -> list[Revision]:
    rows = history_of(type(instance))
    if rows is None:
        return []
    rows = rows.filter(**{type(instance)._meta.pk.attname: instance.pk})
    if start := page.start():
        rows = rows.filter(history_date__gte=start - _SLACK)
    if end := page.end():
        rows = rows.filter(history_date__lt=end + _SLACK)
    newest = rows.order_by("-history_date", "-history_id")[:MOST_REVISIONS]
    return revisions(list(newest)[::-1])


def _by_command(found: Sequence[Revision]) -> dict[UUID | None, list[Revision]]:
    made: defaultdict[UUID | None, list[Revision]] = defaultdict(list)
    for revision in found:
        made[revision.command_id].append(revision)
    return made


def _unlogged(
    page: _Page, changed: dict[UUID | None, list[Revision]], unknown: set[UUID | None]
) -> list[UnloggedChange]:
    start, end = page.start(), page.end()
    return [
        UnloggedChange(revision=revision)
        for command_id in unknown
        for revision in changed[command_id]
        if (start is None or start <= revision.at) and (end is None or revision.at < end)
    ]
