"""The comparison of rows with their history and with the events of their subjects."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from django.db import connection, transaction
from django.db.models import Exists, Model, OuterRef

from audit.messages.classes import Subject
from audit.messages.values import stored_numbers
from audit.models.records import CommandRecord, EventRecord, StreamHead
from audit.subjects import types
from audit.subjects.names import valid_keys
from audit.subjects.types import SubjectType
from audit.tracking.drift import numbers
from audit.tracking.folding import fold, plain_value
from audit.tracking.history import history_model, written_models
from audit.tracking.parts import subject_of

PAGE = 500
_DELETED = "-"
_ModelClass: TypeAlias = type[Model]


class Difference(NamedTuple):
    """A disagreement about a subject, or about a row of the model that is named.

    ``kind`` is "row" if it is not as its history has it, "events" if its events have other values,
    "unlogged" if its history has a change of which no command is in the log, and "number" if its
    number is not that of its events and changes.
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
    yield from _pages(StreamHead, _numbers)


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
    """Return rows that are gone, but not deleted by their history, or by no logged command."""
    page = list(_after(_newest(model), model, last)[:PAGE])
    if not page:
        return None, 0, []
    keys = [_key(row, model) for row in page]
    present = set(model._base_manager.filter(pk__in=keys).values_list("pk", flat=True))
    gone = [row for row in page if _key(row, model) not in present]
    found = [_difference("row", model, row) for row in gone if row.history_type != _DELETED]
    return keys[-1], 0, [*found, *_unlogged(model, gone)]


def _numbers(model: _ModelClass, last: Any) -> tuple[Any, int, list[Difference]]:
    page = numbers.streams(last, page=PAGE)
    if not page:
        return None, 0, []
    found = [
        Difference("number", str(each), _tenant(each), model._meta.label_lower)
        for each in numbers.wrong(page)
    ]
    return page[-1].subject, 0, found


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
    folded = {
        subject_id: fold(events, columns=columns).state
        for subject_id, events in groupby(_events(subject_type, instances), _subject_id)
    }
    for row in instances:
        fields = [
            columns[name].name
            for name, value in folded.get(str(row.pk), {}).items()
            if plain_value(columns[name], value) != stored_numbers(getattr(row, name))
        ]
        if fields:
            yield _difference("events", model, row, *fields)


def _events(subject_type: SubjectType, instances: Iterable[Model]) -> Iterator[EventRecord]:
    """Return the events of some subjects, one subject after another, with few in memory."""
    ids = [str(row.pk) for row in instances]
    events = EventRecord.objects.filter(subject_type=subject_type.name, subject_id__in=ids)
    return events.order_by("subject_id", "number").iterator(chunk_size=PAGE)


def _subject_id(event: EventRecord) -> str:
    return event.subject_id


def _unlogged(model: _ModelClass, rows: Sequence[Any]) -> Iterator[Difference]:
    """Yield a difference for each row, or history row, of which a change is not in the log."""
    logged = CommandRecord.objects.filter(command_id=OuterRef("history_command_id"))
    keys = [_key(row, model) for row in rows]
    unlogged = _history(model).filter(**{_pk(model, "in"): keys}).exclude(Exists(logged))
    found = set(unlogged.values_list(model._meta.pk.attname, flat=True))
    for row in rows:
        if _key(row, model) in found:
            yield _difference("unlogged", model, row)


def _difference(kind: str, model: _ModelClass, row: Any, *fields: str) -> Difference:
    """Return a difference of a row, or of its newest history row."""
    owner = subject_of(model)
    if owner is None:
        return Difference(kind, "", "", model._meta.label_lower, fields)
    type_name, field = owner
    subject = Subject(type_name, str(getattr(row, field.attname)))
    return Difference(kind, str(subject), _tenant(subject), model._meta.label_lower, fields)


def _tenant(subject: Subject) -> str:
    """Return the tenant of a subject, by its history if it no longer exists."""
    found = types.subject_type(subject.type)
    if found is None or found.tenant_field is None:
        return ""
    whole: Any = found.load(subject.id)
    if whole is None and history_model(found.model):
        keys = valid_keys([subject.id], found.model._meta.pk)
        whole = _newest(found.model).filter(**{_pk(found.model, "in"): keys}).first()
    return str(getattr(whole, found.tenant_field, None) or "")


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
