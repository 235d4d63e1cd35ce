"""The page of a subject: its timeline, and its state at a point in time."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from audit.actors.actors import Actor
from audit.log.commands import ChangeOutsideCommand
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord, Status
from audit.pages.changes import Revision
from audit.pages.lines import Line, arrange, full_lines, in_order, window
from audit.pages.timelines import histories
from audit.pages.timelines.point_in_time import state
from audit.subjects.names import find, labels
from audit.subjects.types import label_of

LINES = 100
MOST_REVISIONS = 1_000
_MOST_CASES = 2 * LINES
# A cause is logged after its effects, but in the same transaction.
_CLOSE = 1_000
_FURTHEST = 2**63 - 1
# A history row is written after its command came in, and has the time of another clock.
_SLACK = timedelta(minutes=1)

#: An entry of a timeline: a command attempt, or an unlogged change.
Entry: TypeAlias = Line | Revision


class _Page(NamedTuple):
    """The records of a page; the positions and times where the older and the newer page begin."""

    records: list[CommandRecord]
    older: int | None
    before: int | None
    start: datetime | None
    end: datetime | None

    def has(self, record: CommandRecord) -> bool:
        return (self.older or 0) <= record.position < (self.before or _FURTHEST)


def timeline(
    subject: Subject, *, actor: Actor, before: int | None, at: datetime | None
) -> dict[str, Any] | None:
    """Return a page of a subject and of the cases that it is part of, oldest first.

    None if there is nothing that the actor may see.
    """
    instance = find(subject, actor=actor)
    about = of_cases_about(subject, actor=actor, before=before)
    records, older = window(about, before=before, size=LINES)
    known = {subject: instance} if instance else {}
    seen = known.keys() or histories.deleted([subject], actor=actor)
    if not seen and not records:
        return None
    start = records[-1].received_at if older else None
    page = _Page(records, older, before, start, end=_received_at(before) if before else None)
    revised = _revisions(page, seen)
    entries = _entries(page, revised, about=subject, known=known, actor=actor)
    return {
        "subject": subject,
        "label": label_of(instance) if instance else labels([subject], actor=actor)[subject],
        "entries": sorted(entries, key=lambda entry: entry.at),
        "outside": sum(isinstance(entry, Revision) or entry.is_outside for entry in entries),
        "older": older,
        "is_cut": len(revised) == MOST_REVISIONS,
        "most": MOST_REVISIONS,
        "moment": state(subject, instance, at=at) if seen else None,
    }


def _received_at(position: int) -> datetime | None:
    found = CommandRecord.objects.filter(position=position)
    return found.values_list("received_at", flat=True).first()


def of_cases_about(
    subject: Subject, *, actor: Actor, before: int | None
) -> QuerySet[CommandRecord]:
    """Return the records of the latest cases that the subject is part of.

    To read all cases of a subject would take seconds if it has changed fifty thousand times. This
    leaves out other subjects' records of a case that has newer records than the latest cases.
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


def _entries(
    page: _Page,
    revised: Sequence[Revision],
    *,
    about: Subject,
    known: Mapping[Subject, Model],
    actor: Actor,
) -> list[Entry]:
    """Return the lines of a page with their changes, and the unlogged changes.

    The lines include commands on other subjects, or none, that changed this one, such as direct
    database changes: users who see the subject may see who changed it.
    """
    changed: defaultdict[UUID | None, list[Revision]] = defaultdict(list)
    recorded_by = _parts_of_direct_changes(page)
    for revision in revised:
        changed[recorded_by.get(revision.command_id, revision.command_id)].append(revision)
    others = changed.keys() - {each.command_id for each in page.records}
    named = [command_id for command_id in others if command_id]
    found = list(CommandRecord.objects.filter(command_id__in=named)) if named else []
    by_others = [record for record in found if page.has(record)]
    lines = full_lines([*page.records, *by_others], actor=actor, known=known, about=about)
    for line in lines:
        if line.record.status == Status.SUCCEEDED:
            made = changed.get(line.record.command_id, [])
            line.changes = [change for revision in made for change in revision.changes]
    unknown = others - {record.command_id for record in found}
    return [*in_order(arrange(lines)), *_unlogged(page, revised, unknown)]


def _parts_of_direct_changes(page: _Page) -> dict[UUID | None, UUID]:
    """Return, for direct changes of several tenants, the record that the reader may see."""
    return {
        record.causation_id: record.command_id
        for record in page.records
        if record.message_type == ChangeOutsideCommand.message_type and record.causation_id
    }


def _revisions(page: _Page, seen: Collection[Subject]) -> list[Revision]:
    wanted = Q()
    if page.start:
        wanted &= Q(history_date__gte=page.start - _SLACK)
    if page.end:
        wanted &= Q(history_date__lt=page.end + _SLACK)
    found = histories.revisions_of(seen, wanted=wanted, most=MOST_REVISIONS)
    return [revision for _, revision in found][-MOST_REVISIONS:]


def _unlogged(
    page: _Page, revised: Sequence[Revision], unknown: set[UUID | None]
) -> list[Revision]:
    return [
        each
        for each in revised
        if each.command_id in unknown
        and (page.start is None or page.start <= each.at)
        and (page.end is None or each.at < page.end)
    ]
