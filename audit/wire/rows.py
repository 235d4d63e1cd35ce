"""The statements for rows that every command needs, compiled once for each model.

The ORM takes as long to compile a lock by key, an INSERT or an UPDATE of a few columns as
PostgreSQL takes to execute it. The result here is the same: an instance, and the signals of a save.
To lock and to save one row took 0.58 ms of 1.76 more.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, models
from django.db.models import signals

from audit.wire import pipeline
from audit.wire.pipeline import Call, Statement

_LOCK = "FOR UPDATE"
_Model = TypeVar("_Model", bound=models.Model)


class _Selection(NamedTuple):
    statement: Statement
    by: list[Any]
    names: list[str]
    converters: list[tuple[int, Callable[[Any], Any]]]


class _Change(NamedTuple):
    statement: Statement
    fields: tuple[Any, ...]


def locked(model: type[_Model], **columns: Any) -> _Model:
    """Return the row with these values, locked to the end of the transaction.

    :raises ObjectDoesNotExist: if there is no such row.
    """
    instance = _first(_select(model, columns, suffix=_LOCK), model, columns)
    claim(instance)
    return instance


def lock(model: type[models.Model], **columns: Any) -> Call:
    """Return the statement that `locked` executes."""
    selection = _selection(model, tuple(columns), _LOCK)
    return Call(selection.statement, _prepared(selection, columns))


def selection(model: type[models.Model], **columns: Any) -> Call:
    """Return the statement that `found`, `find` and `every` execute."""
    found = _selection(model, tuple(columns), "")
    return Call(found.statement, _prepared(found, columns))


def found(model: type[_Model], **columns: Any) -> _Model:
    """Return the row with these values.

    :raises ObjectDoesNotExist: if there is no such row.
    """
    return _first(_select(model, columns), model, columns)


def find(model: type[_Model], **columns: Any) -> _Model | None:
    """Return the row with these values, or None if there is none."""
    return next(iter(_select(model, columns)), None)


def every(model: type[_Model], **columns: Any) -> list[_Model]:
    """Return all rows with these values, in no particular order."""
    return _select(model, columns)


def columns(model: type[models.Model], *, of: str) -> str:
    """Write the columns of a model as SQL, qualified by a table, in the order of its fields."""
    return ", ".join(f"{of}.{_column(field)}" for field in model._meta.concrete_fields)


def loaded(model: type[_Model], values: Sequence[Any]) -> _Model:
    """Return an instance with the values of its columns, in the order of its fields."""
    return _instance(model, _selection(model, ("pk",), ""), list(values))


def copied(instance: models.Model, *, into: type[models.Model], **values: Any) -> Call:
    """Return the statement that copies a row into another table and sets these values.

    It copies the columns that both tables have. The database generates the key.
    """
    change, database = _copy(type(instance), into, tuple(values)), pipeline.database()
    given = zip(change.fields, (*values.values(), instance.pk), strict=True)
    return Call(
        change.statement, [field.get_db_prep_value(value, database) for field, value in given]
    )


def claim(instance: models.Model) -> None:
    """Note that no other transaction can change this row, so that its save may be deferred."""
    _state(instance).locked_in = pipeline.deferring()


def insert(instance: models.Model) -> None:
    """Insert a row and send the signals of a save."""
    _save(instance, _insertion(type(instance)))


def update(instance: models.Model, names: tuple[str, ...]) -> None:
    """Update columns of a row and send the signals of a save."""
    _save(instance, _update(type(instance), names), update_fields=frozenset(names))


def _first(instances: list[_Model], model: type[_Model], columns: dict[str, Any]) -> _Model:
    if not instances:
        message = f"there is no {model._meta.verbose_name} with {columns}"
        raise model.DoesNotExist(message)  # type: ignore[attr-defined]  # each model has its own
    return instances[0]


def _select(model: type[_Model], columns: dict[str, Any], *, suffix: str = "") -> list[_Model]:
    selection = _selection(model, tuple(columns), suffix)
    rows = pipeline.execute(selection.statement, _prepared(selection, columns))
    return [_instance(model, selection, list(row)) for row in rows]


def _prepared(selection: _Selection, columns: dict[str, Any]) -> list[Any]:
    database = pipeline.database()
    return [
        field.get_db_prep_value(value, database)
        for field, value in zip(selection.by, columns.values(), strict=True)
    ]


def _instance(model: type[_Model], selection: _Selection, values: list[Any]) -> _Model:
    for place, convert in selection.converters:
        values[place] = convert(values[place])
    return model.from_db(DEFAULT_DB_ALIAS, selection.names, values)


def _save(instance: models.Model, change: _Change, **facts: Any) -> None:
    """Execute the statement, between the signals that Django sends around it."""
    model, is_new = type(instance), not facts
    facts = {"update_fields": None, "raw": False, "using": DEFAULT_DB_ALIAS} | facts
    signals.pre_save.send(model, instance=instance, **facts)
    _write(instance, Call(change.statement, _values(instance, change.fields, is_new=is_new)))
    state = _state(instance)
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    signals.post_save.send(model, instance=instance, created=is_new, **facts)


def _write(instance: models.Model, call: Call) -> None:
    """Save a row. If this dispatch has locked it, the statement cannot fail and is deferred."""
    locked_in: pipeline.Pipeline | None = getattr(_state(instance), "locked_in", None)
    if locked_in and pipeline.deferring() is locked_in:
        pipeline.log_query(call.statement)
        locked_in.enqueue(call)
    elif not pipeline.execute(*call):
        message = f"{instance!r} no longer exists"
        raise DatabaseError(message)


def _state(instance: models.Model) -> Any:
    return instance._state  # noqa: SLF001  # Django documents it


@cache
def _selection(model: type[models.Model], by: tuple[str, ...], suffix: str) -> _Selection:
    meta: Any = model._meta
    wanted = [meta.pk if name == "pk" else meta.get_field(name) for name in by]
    columns, table = ", ".join(map(_column, meta.concrete_fields)), _table(model)
    where = " AND ".join(f"{_column(field)} = %s" for field in wanted)
    return _Selection(
        Statement(f"SELECT {columns} FROM {table} WHERE {where} {suffix}"),  # noqa: S608  # the models' own names
        wanted,
        [field.attname for field in meta.concrete_fields],
        list(_converters(meta.concrete_fields)),
    )


@cache
def _update(model: type[models.Model], names: tuple[str, ...]) -> _Change:
    key = model._meta.pk
    fields = tuple(model._meta.get_field(name) for name in names)
    columns = ", ".join(f"{_column(field)} = %s" for field in fields)
    sql = f"UPDATE {_table(model)} SET {columns} WHERE {_column(key)} = %s RETURNING 1"  # noqa: S608  # as above
    return _Change(Statement(sql), (*fields, key))


@cache
def _insertion(model: type[models.Model]) -> _Change:
    fields = tuple(model._meta.concrete_fields)
    columns, places = ", ".join(map(_column, fields)), ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {_table(model)} ({columns}) VALUES ({places}) RETURNING 1"  # noqa: S608  # as above
    return _Change(Statement(sql), fields)


@cache
def _copy(model: type[models.Model], into: type[models.Model], names: tuple[str, ...]) -> _Change:
    given = [into._meta.get_field(name) for name in names]
    ours = {field.column for field in model._meta.concrete_fields}
    both = [_column(field) for field in into._meta.concrete_fields if field.column in ours]
    columns = ", ".join([*both, *map(_column, given)])
    values = ", ".join([*both, *(f"%s::{field.db_type(connection)}" for field in given)])
    key = model._meta.pk
    where = f"{_column(key)} = %s::{key.db_type(connection)}"
    sql = (
        f"INSERT INTO {_table(into)} ({columns}) SELECT {values} FROM {_table(model)} WHERE {where}"  # noqa: S608  # as above
    )
    return _Change(Statement(sql), (*given, key))


def _values(instance: models.Model, fields: Iterable[Any], *, is_new: bool) -> list[Any]:
    database = pipeline.database()
    return [field.get_db_prep_save(field.pre_save(instance, is_new), database) for field in fields]


def _converters(fields: Sequence[Any]) -> Iterable[tuple[int, Callable[[Any], Any]]]:
    for place, field in enumerate(fields):
        for convert in field.get_db_converters(connection):
            yield place, _converter(field, convert)


def _converter(field: Any, convert: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda value: convert(value, field.cached_col, connection)


def _column(field: Any) -> str:
    return connection.ops.quote_name(field.column)


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
