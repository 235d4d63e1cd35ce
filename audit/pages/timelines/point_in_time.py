"""What a subject was at a moment: told by its events, kept by its history, and compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

from audit.messages.classes import Subject
from audit.models.records import EventRecord
from audit.pages.changes import history_of, names_of, said
from audit.subjects import types
from audit.tracking.folding import Folded, fold

MOST_FOLDED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One column: what the history says it held, and what the events say.

    ``present`` is what the row itself holds, where the history should say the same and does not.
    """

    field: str
    kept: str
    told: str | None
    agrees: bool
    present: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether two of the three disagree."""
        return not self.agrees or self.present is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A subject at a moment; None is now. Without values it did not exist then, or no more."""

    at: datetime | None
    values: list[Value]
    unreadable: list[str]
    is_folded: bool

    @property
    def wrong(self) -> list[Value]:
        """What events, history and row do not agree on."""
        return [value for value in self.values if value.is_wrong]


def moment(subject: Subject, instance: Model, *, at: datetime | None) -> Moment | None:
    """Tell what a subject was: three or four queries. None for one that keeps no history."""
    subject_type = types.subject_type(subject.type)
    history = history_of(type(instance))
    if subject_type is None or history is None:
        return None
    rows = history.filter(**{type(instance)._meta.pk.attname: instance.pk})
    events = EventRecord.objects.filter(subject_type=subject.type, subject_id=subject.id)
    row, events = _standing(rows, events, at=at)
    columns = types.subject_fields(subject_type)
    read = list(events.order_by("number")[: MOST_FOLDED + 1])
    is_folded = len(read) <= MOST_FOLDED
    folded = fold(read, columns=columns) if is_folded else Folded()
    is_there = row is not None and row.history_type != "-"
    live = instance if at is None else None
    values = list(_values(columns, row, folded, live)) if is_there else []
    return Moment(at=at, values=values, unreadable=sorted(folded.unreadable), is_folded=is_folded)


def _standing(
    rows: QuerySet[Any], events: QuerySet[EventRecord], *, at: datetime | None
) -> tuple[Any, QuerySet[EventRecord]]:
    """Find the history row and the events as of a moment.

    A command writes its history row milliseconds before its event, by another clock, but both
    become true together, when it commits. So what has one of them by that moment has both.
    """
    if at is None:
        return rows.last(), events
    done = events.filter(occurred_at__lte=at).order_by("-number")
    last_told = done.values_list("command_id", flat=True).first()
    row = rows.filter(Q(history_date__lte=at) | Q(history_command_id=last_told)).last()
    kept_by = row.history_command_id if row else None
    return row, events.filter(Q(occurred_at__lte=at) | Q(command_id=kept_by))


def _values(
    columns: dict[str, Any], row: Any, folded: Folded, live: Model | None
) -> Iterator[Value]:
    compared = {name: each for name, each in columns.items() if not each.primary_key}
    told = {
        name: _plain(compared[name], value)
        for name, value in folded.state.items()
        if name in compared
    }
    kept = {name: getattr(row, name) for name in compared}
    present = {name: getattr(live, name) for name in compared} if live else kept
    names = names_of(
        (compared[name], value) for said_by in (told, kept) for name, value in said_by.items()
    )
    for name, column in compared.items():
        yield Value(
            field=str(column.verbose_name),
            kept=said(column, kept[name], names),
            told=said(column, told[name], names) if name in told else None,
            agrees=told.get(name, kept[name]) == kept[name],
            present=said(column, present[name], names) if present[name] != kept[name] else None,
        )


def _plain(column: Any, value: Any) -> Any:
    """Bring a value as events have it into the form in which rows have it."""
    try:
        value = column.to_python(value)
    except ValidationError:
        return value
    return _listed(value)


def _listed(value: Any) -> Any:
    """Make lists of the tuples in which messages hold whatever is a list, however deep."""
    match value:
        case tuple() | list():
            return [_listed(each) for each in value]
        case dict():
            return {name: _listed(each) for name, each in value.items()}
        case _:
            return value
