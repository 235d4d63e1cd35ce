"""Orders that lists can be read in, a page at a time, each page behind the last row of another."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import BooleanField, F, Field, Func, Model, OrderBy, Q, Value

from audit.log import cursors
from audit.log.cursors import Values


class Key(NamedTuple):
    """A column or annotation that a list is sorted by: a datetime, UUID, int or str.

    ``field`` is needed where the database's type cannot be told from the value.
    """

    column: str
    kind: type
    field: Field | None = None

    @property
    def path(self) -> str:
        """Where a row has it, also behind a relation."""
        return self.column.replace("__", ".")


class Order:
    """An order of a list: by these columns or annotations, of which the last one is unique.

    All of them go the same way, for PostgreSQL compares rows of values by one index scan. Where
    the first may be NULL, say so by ``nulls_last``: those rows come last.
    """

    def __init__(
        self, name: str, *keys: Key, is_ascending: bool = False, nulls_last: bool = False
    ) -> None:
        self.name = name
        self.keys = keys
        self._is_ascending = is_ascending
        self._nulls_last = nulls_last

    def read(self, cursor: str) -> Values:
        """Read a cursor of this order.

        :raises ValueError: if it is none of ours, or belongs to another order.
        """
        values = cursors.read(cursor, order=self.name, kinds=[key.kind for key in self.keys])
        if (values[0] is None and not self._nulls_last) or None in values[1:]:
            raise ValueError(cursor)
        return values

    def cursor(self, row: Model) -> str:
        """Write down where a row stands in this order."""
        return self.cursor_at([attrgetter(key.path)(row) for key in self.keys])

    def cursor_at(self, values: Sequence[Any]) -> str:
        """Write down a place that need not be that of a row."""
        return cursors.write(values, order=self.name)

    def behind(self, values: Sequence[Any]) -> Q:
        """Match what comes after these values."""
        if values[0] is None:
            rest = self._comparison(self.keys[1:], values[1:])
            return Q(rest, **{f"{self.keys[0].column}__isnull": True})
        later = Q(self._comparison(self.keys, values))
        if self._nulls_last:
            later |= Q(**{f"{self.keys[0].column}__isnull": True})
        return later

    def sorting(self) -> list[OrderBy]:
        """Sort by this order."""
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
    # It is a row of values of any types; Django wants to hear of one.
    return Func(*parts, function="", output_field=BooleanField())
