"""Drift: where rows, their history and the events of their subjects disagree."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from django.db import connection, transaction
from django.db.models import Exists, Model, OuterRef

from audit.messages.classes import Subject
from audit.messages.values import stored_numbers
from audit.models.records import CommandRecord, EventRecord
from audit.subjects import types
from audit.subjects.types import SubjectType
from audit.tracking.folding import fold, plain_value
from audit.tracking.history import history_model
from audit.tracking.triggers import subject_of, written_models

PAGE = 500
_DELETED = "-"
_ModelClass: TypeAlias = type[Model]


class Difference(NamedTuple):
    """A disagreement about a subject, or about a row of the model that is named.

    ``kind`` is "row" if it is not as its history has it, "events" if its events have other values,
    and "unlogged" if its history has a change of which no command is in the log.
    """

    kind: str
    subject: str
    tenant: str
    model: str
    fields: tuple[str, ...] = ()


class Progress(NamedTuple):
    """A page of rows of one model that was compared: their number, and the differences."""

    model: str
    rows: int
    differences: Sequence[Difference]


def compare() -> Iterator[Progress]:
    """Compare every tracked row with its history and its events; yield after each page.

    Each page is read from one snapshot, so that commands in progress make no difference.
    """
    for model in written_models():
        yield from _pages(model, _compared)
        yield from _pages(model, _without_row)


def _pages(model: _ModelClass, read: Any) -> Iterator[Progress]:
    last: Any = None
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            last, rows, found = read(model, last)
        if last is None:
            return
        yield Progress(str(model._meta.verbose_name), rows, found)


def _compared(model: _ModelClass, last: Any) -> tuple[Any, int, list[Difference]]:
    """Compare a page of rows with their newest history rows, and with their events."""
    rows = _after(model._base_manager.order_by("pk"), model, last)
    instances = list(rows[:PAGE])
    if not instances:
        return None, 0, []
    keys = [each.pk for each in instances]
    newest = {_key(row, model): row for row in _newest(model).filter(**{_pk(model, "in"): keys})}
    found = [each for row in instances for each in _of_row(row, newest.get(row.pk))]
    found += _of_events(model, instances)
    found += _unlogged(model, instances)
    return keys[-1], len(instances), found


def _without_row(model: _ModelClass, last: Any) -> tuple[Any, int, list[Difference]]:
    """Return rows that are gone, although their history does not have them deleted."""
    page = list(_after(_newest(model), model, last)[:PAGE])
    if not page:
        return None, 0, []
    keys = [_key(row, model) for row in page]
    present = set(model._base_manager.filter(pk__in=keys).values_list("pk", flat=True))
    gone = (row for row in page if row.history_type != _DELETED and _key(row, model) not in present)
    return keys[-1], 0, [_difference("row", model, row) for row in gone]


def _of_row(row: Model, newest: Any) -> Iterator[Difference]:
    model: Any = type(row)
    if newest is None or newest.history_type == _DELETED:
        yield _difference("row", model, row)
        return
    fields = [
        field.name
        for field in newest.tracked_fields
        if getattr(row, field.attname) != getattr(newest, field.attname)
    ]
    if fields:
        yield _difference("row", model, row, *fields)


def _of_events(model: _ModelClass, instances: Sequence[Model]) -> Iterator[Difference]:
    subject_type = next((each for each in types.subject_types() if each.model is model), None)
    if subject_type is None:
        return
    columns = {
        name: field
        for name, field in types.subject_fields(subject_type).items()
        if not field.primary_key
    }
    by_id = _events(subject_type, instances)
    for row in instances:
        folded = fold(by_id.get(str(row.pk), ()), columns=columns).state
        fields = [
            columns[name].name
            for name, value in folded.items()
            if plain_value(columns[name], value) != stored_numbers(getattr(row, name))
        ]
        if fields:
            yield _difference("events", model, row, *fields)


def _events(subject_type: SubjectType, instances: Iterable[Model]) -> dict[str, list[EventRecord]]:
    ids = [str(row.pk) for row in instances]
    events = EventRecord.objects.filter(subject_type=subject_type.name, subject_id__in=ids)
    ordered = events.order_by("subject_id", "number")
    return {key: list(group) for key, group in groupby(ordered, lambda each: each.subject_id)}


def _unlogged(model: _ModelClass, instances: Sequence[Model]) -> Iterator[Difference]:
    logged = CommandRecord.objects.filter(command_id=OuterRef("history_command_id"))
    keys = [row.pk for row in instances]
    history: Any = _history(model)
    unlogged = history.filter(**{_pk(model, "in"): keys}).exclude(Exists(logged))
    found = set(unlogged.values_list(model._meta.pk.attname, flat=True))
    for row in instances:
        if row.pk in found:
            yield _difference("unlogged", model, row)


def _difference(kind: str, model: _ModelClass, row: Any, *fields: str) -> Difference:
    """Return a difference of a row, or of its newest history row."""
    history: Any = history_model(model)
    owner = subject_of(model, history)
    if owner is None:
        return Difference(kind, "", "", model._meta.label_lower, fields)
    type_name, _ = owner
    part_of = history.part_of
    field: Any = model._meta.get_field(part_of) if part_of else model._meta.pk
    identifier = getattr(row, field.attname)
    subject_type = types.subject_type(type_name)
    whole = row if part_of is None else _whole(subject_type, identifier)
    column = subject_type.tenant_field if subject_type else None
    tenant = getattr(whole, column, "") if column and whole else ""
    reference = str(Subject(type_name, str(identifier)))
    return Difference(kind, reference, str(tenant or ""), model._meta.label_lower, fields)


def _whole(subject_type: SubjectType | None, identifier: Any) -> Model | None:
    return subject_type.load(str(identifier)) if subject_type else None


def _newest(model: _ModelClass) -> Any:
    """Return the newest history row of each object, by its key."""
    key = model._meta.pk.attname
    rows = _history(model).order_by(key, "-history_date", "-history_id")
    return rows.distinct(key)


def _after(rows: Any, model: _ModelClass, last: Any) -> Any:
    return rows if last is None else rows.filter(**{_pk(model, "gt"): last})


def _history(model: _ModelClass) -> Any:
    history: Any = history_model(model)
    return history._base_manager.all()


def _key(row: Any, model: _ModelClass) -> Any:
    return getattr(row, model._meta.pk.attname)


def _pk(model: _ModelClass, lookup: str) -> str:
    return f"{model._meta.pk.attname}__{lookup}"
