"""The changes in a case file: of each subject, the values before and after, from its history."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from audit.actors.actors import Actor
from audit.log.commands import ChangeOutsideCommand
from audit.messages.classes import Subject
from audit.models.records import CommandRecord
from audit.pages.changes import Revision
from audit.pages.lines import Line, subject_of
from audit.pages.timelines import histories
from audit.subjects.names import found

MOST_CHANGES = 2_000
# Commands have times of the web server, history rows those of the database.
_CLOCKS_DIFFER_BY = timedelta(minutes=1)


class Changes(NamedTuple):
    """The newest changes, oldest first, and whether there are more than are listed."""

    listed: list[dict[str, Any]]
    is_cut: bool


def changes(about: Subject, lines: Sequence[Line], *, reader: Actor) -> Changes:
    """Return the whole history of a subject, and that of others as far as it is part of the case.

    Part of it are the changes by its commands, and those made directly in the database meanwhile.
    """
    named = {about, *_subjects(lines)}
    present = found(named, actor=reader)
    seen = present.keys() | histories.deleted(named - present.keys(), actor=reader)
    during = Q(history_date__range=_period(lines)) if lines else Q(pk__in=())
    read = [
        *_read(seen & {about}, wanted=Q()),
        *_read(seen - {about}, wanted=during),
    ]
    commands = _commands({each.command_id for _, each in read if each.command_id})
    own = {line.record.command_id for line in lines}
    newest_first = sorted(
        (
            _change(subject, revision, is_direct=revision.command_id not in commands)
            for subject, revision in read
            if subject == about or revision.command_id in own or revision.command_id not in commands
        ),
        key=lambda change: (change["at"], change["subject"]),
        reverse=True,
    )
    listed = list(islice(newest_first, MOST_CHANGES))
    return Changes(listed[::-1], is_cut=len(newest_first) > MOST_CHANGES)


def _read(subjects: Collection[Subject], *, wanted: Q) -> list[tuple[Subject, Revision]]:
    return histories.revisions_of(subjects, wanted=wanted, most=MOST_CHANGES + 1)


def _period(lines: Sequence[Line]) -> tuple[datetime, datetime]:
    times = [line.at for line in lines]
    return min(times) - _CLOCKS_DIFFER_BY, max(times) + _CLOCKS_DIFFER_BY


def _commands(ids: set[UUID]) -> set[UUID]:
    """Return those of the commands that are in the log, without direct database changes."""
    records = CommandRecord.objects.filter(command_id__in=ids)
    logged = records.exclude(message_type=ChangeOutsideCommand.message_type)
    return set(logged.values_list("command_id", flat=True))


def _change(subject: Subject, revision: Revision, *, is_direct: bool) -> dict[str, Any]:
    return {
        "at": revision.at.isoformat(),
        "command_id": str(revision.command_id or ""),
        "subject": str(subject),
        "kind": revision.words,
        "is_direct": is_direct,
        "values": [
            {"field": each.field, "before": each.before, "after": each.after}
            for each in revision.changes
        ],
    }


def _subjects(lines: Sequence[Line]) -> Iterator[Subject]:
    for line in lines:
        of_events = (subject_of(fact.record) for fact in line.facts)
        yield from filter(None, (line.subject, *of_events))
