"""The state of a subject at a point in time, by its events and its history, compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from audit.messages.classes import Subject
from audit.messages.values import stored_numbers
from audit.models.records import CommandRecord, EventRecord
from audit.pages.changes import history_of, names_of, shown_value
from audit.pages.labels import field_label
from audit.subjects import types
from audit.tracking.folding import Folded, fold, plain_value

MOST_FOLDED = 20_000
_SECOND = timedelta(seconds=1) - timedelta.resolution
# A command takes no longer.
_LONGEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The value of a column in the history and by the events.

    ``in_row`` is the value in the row itself, if it differs from the history.
    """

    field: str
    in_history: str
    in_events: str | None
    agrees: bool
    in_row: str | None = None

    @property
    def is_wrong(self) -> bool:
        """True if two of the three differ."""
        return not self.agrees or self.in_row is not None


def state(
    subject: Subject, instance: Model | None, *, at: datetime | None
) -> dict[str, Any] | None:
    """Return the state of a subject at a time, or now: three or four queries.

    A time without a fraction is the whole second. It has no values if the subject did not exist.
    None if the subject has no history.
    """
    subject_type = types.subject_type(subject.type)
    history = history_of(subject_type.model) if subject_type else None
    if subject_type is None or history is None:
        return None
    rows = history.filter(**{subject_type.model._meta.pk.attname: subject.id})
    events = EventRecord.objects.filter(subject_type=subject.type, subject_id=subject.id)
    row, events = _as_of(rows, events, at=at)
    columns = types.subject_fields(subject_type)
    read = list(events.order_by("number")[: MOST_FOLDED + 1])
    is_folded = len(read) <= MOST_FOLDED
    folded = fold(read, columns=columns) if is_folded else Folded()
    exists = row is not None and row.history_type != "-"
    current = row if at else instance
    values = list(_values(columns, row, folded, current)) if exists and current else []
    return {
        "at": at,
        "values": values,
        "wrong": any(value.is_wrong for value in values),
        "unreadable": sorted(folded.unreadable),
        "is_folded": is_folded,
    }


def _as_of(
    rows: QuerySet[Any], events: QuerySet[EventRecord], *, at: datetime | None
) -> tuple[Any, QuerySet[EventRecord]]:
    """Return the history row and the events as of a time.

    A command's changes belong to the time when it came in, which timelines show: its history row
    has a later time, its event one that is later still, and both become visible when it commits.
    """
    if at is None:
        return rows.last(), events
    until = at if at.microsecond else at + _SECOND
    begun = CommandRecord.objects.filter(
        command_id=OuterRef("history_command_id"),
        attempt=OuterRef("history_attempt"),
        received_at__lte=until,
    )
    done = events.filter(occurred_at__lte=until).order_by("-number")
    last_command = done.values_list("command_id", flat=True).first()
    soon = Q(history_date__lte=until + _LONGEST) & Q(Exists(begun))
    row = rows.filter(Q(history_date__lte=until) | Q(history_command_id=last_command) | soon).last()
    if row is None:
        return None, events.none()
    before = Q(occurred_at__lte=max(until, row.history_date))
    return row, events.filter(before | Q(command_id=row.history_command_id))


def _values(columns: dict[str, Any], row: Any, folded: Folded, current: Any) -> Iterator[Value]:
    """Yield the values by history row and events, compared with those of the ``current`` row."""
    compared = {name: each for name, each in columns.items() if not each.primary_key}
    by_events = {
        name: plain_value(compared[name], value)
        for name, value in folded.state.items()
        if name in compared
    }
    by_history = {name: getattr(row, name) for name in compared}
    both = (*by_events.items(), *by_history.items())
    names = names_of((compared[name], each) for name, each in both)
    for name, column in compared.items():
        in_row = getattr(current, name)
        yield Value(
            field=field_label(column),
            in_history=shown_value(column, by_history[name], names),
            in_events=shown_value(column, by_events[name], names) if name in by_events else None,
            agrees=by_events.get(name, by_history[name]) == stored_numbers(by_history[name]),
            in_row=shown_value(column, in_row, names) if in_row != by_history[name] else None,
        )
