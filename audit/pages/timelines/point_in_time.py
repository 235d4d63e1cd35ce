"""The state of a subject at a point in time, by its events and its history, compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet

from audit.messages.classes import Subject
from audit.messages.values import stored_numbers
from audit.models.records import EventRecord
from audit.pages.changes import history_of, names_of, shown_value
from audit.subjects import types
from audit.tracking.folding import Folded, fold, plain_value

MOST_FOLDED = 20_000


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


def state(subject: Subject, instance: Model, *, at: datetime | None) -> dict[str, Any] | None:
    """Return the state of a subject at a time, or now: three or four queries.

    It has no values if the subject did not exist. None if the subject has no history.
    """
    subject_type = types.subject_type(subject.type)
    history = history_of(type(instance))
    if subject_type is None or history is None:
        return None
    rows = history.filter(**{type(instance)._meta.pk.attname: instance.pk})
    events = EventRecord.objects.filter(subject_type=subject.type, subject_id=subject.id)
    row, events = _as_of(rows, events, at=at)
    columns = types.subject_fields(subject_type)
    read = list(events.order_by("number")[: MOST_FOLDED + 1])
    is_folded = len(read) <= MOST_FOLDED
    folded = fold(read, columns=columns) if is_folded else Folded()
    exists = row is not None and row.history_type != "-"
    values = list(_values(columns, row, folded, instance if at is None else row)) if exists else []
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

    A history row has a time some milliseconds before its event, but both become visible together,
    when the command commits. So a state with one of them has both.
    """
    if at is None:
        return rows.last(), events
    done = events.filter(occurred_at__lte=at).order_by("-number")
    last_command = done.values_list("command_id", flat=True).first()
    row = rows.filter(Q(history_date__lte=at) | Q(history_command_id=last_command)).last()
    last_change = row.history_command_id if row else None
    return row, events.filter(Q(occurred_at__lte=at) | Q(command_id=last_change))


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
            field=str(column.verbose_name),
            in_history=shown_value(column, by_history[name], names),
            in_events=shown_value(column, by_events[name], names) if name in by_events else None,
            agrees=by_events.get(name, by_history[name]) == stored_numbers(by_history[name]),
            in_row=shown_value(column, in_row, names) if in_row != by_history[name] else None,
        )
