"""Orders of lists for keyset pagination: a page begins after the last row of another.

The place where a page ended is opaque text for the caller, its cursor.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.db.models import BooleanField, F, Field, Func, Model, OrderBy, Q, Value

from audit.messages.values import codec

#: The values of a row in the columns that a list is sorted by.
Values: TypeAlias = list[datetime | UUID | int | str | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Key(NamedTuple):
    """A column or annotation that a list is sorted by: a datetime, UUID, int or str.

    ``field`` is needed if the type in the database does not follow from the value.
    """

    column: str
    kind: type
    field: Field | None = None

    @property
    def path(self) -> str:
        """The attribute of a row, with dots for relations."""
        return self.column.replace("__", ".")


class Order:
    """An order of a list: by columns or annotations, of which the last one is unique.

    All have the same direction, because PostgreSQL compares row values by one index scan. If the
    first may be NULL, set ``nulls_last``: those rows come last.
    """

    def __init__(
        self, name: str, *keys: Key, is_ascending: bool = False, nulls_last: bool = False
    ) -> None:
        self.name = name
        self.keys = keys
        self._is_ascending = is_ascending
        self._nulls_last = nulls_last

    def read(self, cursor: str) -> Values:
        """Return the values of a cursor.

        :raises ValueError: if it is not a cursor of this order.
        """
        name, *found = _parsed(cursor)
        if name != self.name:
            raise ValueError(cursor)
        pairs = zip(self.keys, found, strict=True)
        values = [None if value is None else _loaded(value, key.kind) for key, value in pairs]
        if (values[0] is None and not self._nulls_last) or None in values[1:]:
            raise ValueError(cursor)
        return values

    def cursor(self, row: Model) -> str:
        """Return the cursor of a row's place."""
        return self.cursor_at([attrgetter(key.path)(row) for key in self.keys])

    def cursor_at(self, values: Sequence[Any]) -> str:
        """Return the cursor of any place."""
        content = json.dumps(
            [self.name, *map(_dumped, values)], ensure_ascii=False, separators=(",", ":")
        )
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    def behind(self, values: Sequence[Any]) -> Q:
        """Return the condition for the rows after these values."""
        if values[0] is None:
            rest = self._comparison(self.keys[1:], values[1:])
            return Q(rest, **{f"{self.keys[0].column}__isnull": True})
        later = Q(self._comparison(self.keys, values))
        if self._nulls_last:
            later |= Q(**{f"{self.keys[0].column}__isnull": True})
        return later

    def sorting(self) -> list[OrderBy]:
        """Return the arguments for ``order_by``."""
        nulls_last = True if self._nulls_last else None
        return [
            OrderBy(F(key.column), descending=not self._is_ascending, nulls_last=nulls_last)
            for key in self.keys
        ]

    def _comparison(self, keys: Sequence[Key], values: Sequence[Any]) -> Func:
        pairs = zip(keys, values, strict=True)
        return Func(
            _row(F(key.column) for key in keys),
            _row(Value(value, output_field=key.field) for key, value in pairs),
            template="%(expressions)s",
            arg_joiner=" > " if self._is_ascending else " < ",
            output_field=BooleanField(),
        )


def _row(parts: Iterable[Any]) -> Func:
    # The row has no single type, but Django requires an output field.
    return Func(*parts, function="", output_field=BooleanField())


def _parsed(cursor: str) -> list[Any]:
    padded = cursor + "=" * (-len(cursor) % 4)
    content = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    try:
        found = json.loads(content.decode())
    except RecursionError as error:
        raise ValueError(cursor) from error
    if isinstance(found, list) and found:
        return found
    raise ValueError(cursor)


def _dumped(value: Any) -> int | str | None:
    match value:
        case datetime():
            return (value - _EPOCH) // timedelta(microseconds=1)
        case UUID():
            return value.hex
        case int() | str() | None:
            return value
        case _:
            message = f"{type(value)} cannot be sorted by"
            raise TypeError(message)


def _loaded(value: Any, kind: type) -> Any:
    """Return a value of a cursor in its kind, valid in the database."""
    if kind is not datetime:
        return codec(kind).load(value)
    try:
        return _EPOCH + timedelta(microseconds=codec(int).load(value))
    except OverflowError as error:
        raise ValueError(value) from error
