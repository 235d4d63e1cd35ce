"""What every command asks of the ORM, compiled once for each model instead of each time.

To put into SQL that a row is locked by its key, added, or saved in a few of its columns takes the
ORM as long as it takes PostgreSQL to carry that out. What comes of it here is the same as there:
an instance, and the signals of a save. To lock and to save one row took 0.58 ms of 1.76 more.
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


class LeanModel(models.Model):
    """A model whose rows are added, and saved in part, by prepared statements."""

    class Meta:
        abstract = True

    def save(
        self,
        *,
        force_insert: bool | tuple[Any, ...] = False,
        update_fields: Iterable[str] | None = None,
        using: str | None = None,
        **options: Any,
    ) -> None:
        """Save as every model does: a new row, or the given columns, in the short way."""
        is_special = bool(options) or using not in (None, DEFAULT_DB_ALIAS)
        if update_fields and not (is_special or self._state.adding):
            names = tuple(update_fields)
            _save(self, _update(type(self), names), update_fields=frozenset(names))
        elif force_insert and self.pk is not None and not is_special:
            _save(self, _insertion(type(self)))
        else:
            super().save(
                force_insert=force_insert, update_fields=update_fields, using=using, **options
            )

    def add(self) -> None:
        """Add this row, of which no other can be in the way, with the next statement."""
        # Nobody else can have it, as if it were locked.
        _state(self).locked_in = pipeline.waiting()
        self.save(force_insert=True)


class _Selection(NamedTuple):
    statement: Statement
    by: list[Any]
    names: list[str]
    converters: list[tuple[int, Callable[[Any], Any]]]


class _Change(NamedTuple):
    statement: Statement
    fields: tuple[Any, ...]


def locked(model: type[_Model], **columns: Any) -> _Model:
    """Fetch the row with these values, and lock it to the end of the transaction.

    :raises ObjectDoesNotExist: if there is no such row.
    """
    instance = _there(_fetch(model, columns, ending=_LOCK), model, columns)
    _state(instance).locked_in = pipeline.waiting()
    return instance


def lock(model: type[models.Model], **columns: Any) -> Call:
    """Give the statement by which `locked` fetches the row with these values."""
    selection = _selection(model, tuple(columns), _LOCK)
    return Call(selection.statement, _sought(selection, columns))


def reading(model: type[models.Model], **columns: Any) -> Call:
    """Give the statement by which `found`, `find` and `every` fetch the rows with these values."""
    selection = _selection(model, tuple(columns), "")
    return Call(selection.statement, _sought(selection, columns))


def found(model: type[_Model], **columns: Any) -> _Model:
    """Fetch the row with these values.

    :raises ObjectDoesNotExist: if there is no such row.
    """
    return _there(_fetch(model, columns), model, columns)


def find(model: type[_Model], **columns: Any) -> _Model | None:
    """Fetch the row with these values, or None if there is none."""
    return next(iter(_fetch(model, columns)), None)


def every(model: type[_Model], **columns: Any) -> list[_Model]:
    """Fetch all rows with these values, in no order."""
    return _fetch(model, columns)


def columns(model: type[models.Model], *, of: str) -> str:
    """Name the columns of a model in SQL, as those of a table, in the order of its fields."""
    return ", ".join(f"{of}.{_column(field)}" for field in model._meta.concrete_fields)


def loaded(model: type[_Model], values: Sequence[Any]) -> _Model:
    """Build an instance from the values of its columns, in the order of its fields."""
    return _instance(model, _selection(model, ("pk",), ""), list(values))


def copied(instance: models.Model, *, into: type[models.Model], **values: Any) -> Call:
    """Give the statement that copies a row into another table, with these values besides.

    Copied are the columns that both have, under a key that the database makes.
    """
    change, database = _copy(type(instance), into, tuple(values)), pipeline.database()
    given = zip(change.fields, (*values.values(), instance.pk), strict=True)
    return Call(
        change.statement, [field.get_db_prep_value(value, database) for field, value in given]
    )


def _there(instances: list[_Model], model: type[_Model], columns: dict[str, Any]) -> _Model:
    if not instances:
        message = f"there is no {model._meta.verbose_name} with {columns}"
        raise model.DoesNotExist(message)  # type: ignore[attr-defined]  # each model has its own
    return instances[0]


def _fetch(model: type[_Model], columns: dict[str, Any], *, ending: str = "") -> list[_Model]:
    selection = _selection(model, tuple(columns), ending)
    rows = pipeline.ask(selection.statement, _sought(selection, columns))
    return [_instance(model, selection, list(row)) for row in rows]


def _sought(selection: _Selection, columns: dict[str, Any]) -> list[Any]:
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
    """Carry out the statement, between the signals that Django sends around it."""
    model, is_new = type(instance), not facts
    facts = {"update_fields": None, "raw": False, "using": DEFAULT_DB_ALIAS} | facts
    signals.pre_save.send(model, instance=instance, **facts)
    _write(instance, change.statement, _values(instance, change.fields, is_new=is_new))
    state = _state(instance)
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    signals.post_save.send(model, instance=instance, created=is_new, **facts)


def _write(instance: models.Model, statement: Statement, values: list[Any]) -> None:
    """Save a row: with the next trip if this dispatch has locked it, for then nothing can fail."""
    locked_in: pipeline.Conversation | None = getattr(_state(instance), "locked_in", None)
    if locked_in and pipeline.waiting() is locked_in:
        pipeline.note(statement)
        locked_in.say_later(Call(statement, values))
    elif not pipeline.ask(statement, values):
        message = f"{instance!r} no longer exists"
        raise DatabaseError(message)


def _state(instance: models.Model) -> Any:
    return instance._state  # noqa: SLF001  # Django documents it


@cache
def _selection(model: type[models.Model], by: tuple[str, ...], ending: str) -> _Selection:
    meta: Any = model._meta
    wanted = [meta.pk if name == "pk" else meta.get_field(name) for name in by]
    columns, table = ", ".join(map(_column, meta.concrete_fields)), _table(model)
    where = " AND ".join(f"{_column(field)} = %s" for field in wanted)
    return _Selection(
        Statement(f"SELECT {columns} FROM {table} WHERE {where} {ending}"),  # noqa: S608  # the models' own names
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
