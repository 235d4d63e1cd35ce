"""Comparison of each subject's number with its events and with the changes that had none."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from audit.log.commands import Adopt
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord
from audit.subjects import types
from audit.subjects.names import valid_keys
from audit.subjects.types import SubjectType
from audit.tracking.history import history_model
from audit.tracking.parts import parts_of

_STREAMS = """
    SELECT subject_type, subject_id, head.number, events.count, coalesce(events.newest, 0)
    FROM (SELECT subject_type, subject_id, number FROM audit_streamhead
            WHERE (subject_type, subject_id) > (%s, %s)
            ORDER BY subject_type, subject_id LIMIT %s) AS head
        CROSS JOIN LATERAL (SELECT count(*), max(number) AS newest FROM audit_eventrecord AS event
            WHERE (event.subject_type, event.subject_id)
                = (head.subject_type, head.subject_id)) AS events
    ORDER BY subject_type, subject_id
"""


class Stream(NamedTuple):
    """A subject, its number, the number of its events, and that of its newest event."""

    subject: Subject
    number: int
    events: int
    newest: int


def streams(last: Subject | None, *, page: int) -> list[Stream]:
    """Return the next page of streams, by type and id."""
    with connection.cursor() as cursor:
        cursor.execute(_STREAMS, [*(last or ("", "")), page])
        return [Stream(Subject(*row[:2]), *row[2:]) for row in cursor.fetchall()]


def wrong(read: Iterable[Stream]) -> Iterator[Subject]:
    """Yield the subjects whose number was moved by something else than an event or a change.

    Each event and each transaction with changes but no event takes one number.
    """
    unequal = [each for each in read if (each.number, each.newest) != (each.events, each.events)]
    without_event = _changes_without_event({each.subject for each in unequal})
    for each in unequal:
        most = each.events + without_event[each.subject]
        if not max(each.events, each.newest) <= each.number <= most:
            yield each.subject


def _changes_without_event(subjects: Collection[Subject]) -> dict[Subject, int]:
    """Return how many changes had no event, at most: those of one command count as one."""
    changed: defaultdict[Subject, set[UUID | tuple[str, int]]] = defaultdict(set)
    for subject_type in types.subject_types():
        ids = {each.id for each in subjects if each.type == subject_type.name}
        for subject, change in _changes(subject_type, ids):
            changed[subject].add(change)
    events = EventRecord.objects.filter(subject_id__in={each.id for each in subjects})
    of_commands = events.values_list("subject_type", "subject_id", "command_id")
    for type_name, key, command_id in of_commands.iterator():
        changed[Subject(type_name, key)].discard(command_id)
    adopting = CommandRecord.objects.filter(message_type=Adopt.message_type)
    adopted = set(adopting.values_list("command_id", flat=True))
    left = {subject: each - adopted for subject, each in changed.items()}
    return defaultdict(int, {subject: len(each) for subject, each in left.items()})


def _changes(subject_type: SubjectType, ids: Collection[str]) -> Iterator[tuple[Subject, Any]]:
    model = subject_type.model
    keys = valid_keys(ids, model._meta.pk)
    tables = [(history_model(model), model._meta.pk)]
    tables += [(part.history, part.owner) for part in parts_of(model)]
    for history, owner in tables:
        if history is None or not keys:
            continue
        rows = history._default_manager.filter(**{f"{owner.attname}__in": keys})
        table = history._meta.db_table
        for key, command_id, history_id in rows.values_list(
            owner.attname, "history_command_id", "history_id"
        ):
            yield Subject(subject_type.name, str(key)), command_id or (table, history_id)
