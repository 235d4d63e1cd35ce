"""Parts of SQL statements for the search, with their parameters."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from audit.wire.statements import quick_times

_COLUMN = re.compile(r"\beach\.(\w+)")


class Fragment(NamedTuple):
    """A part of an SQL statement, with its parameters. Rows of the log have the alias ``each``."""

    sql: str
    params: tuple[Any, ...] = ()

    def columns(self) -> list[str]:
        """Return the columns of the log that a condition uses."""
        return sorted(set(_COLUMN.findall(self.sql)))

    def fetch(self) -> list[Any]:
        """Return the rows that a whole statement selects."""
        with quick_times(connection.cursor()) as cursor:
            cursor.execute(self.sql, self.params)
            rows: list[Any] = cursor.fetchall()
        return rows


ANY = Fragment("true")


def every(*conditions: Fragment) -> Fragment:
    """Join conditions with AND."""
    sql = " AND ".join([each.sql for each in conditions] or ["true"])
    return Fragment(sql, tuple(value for each in conditions for value in each.params))


def one_of(columns: Sequence[str], values: Sequence[tuple[str, ...]]) -> Fragment:
    """Return the condition that the columns have one of the values."""
    if not values:
        return Fragment("false")
    names = ", ".join(f"each.{name}" for name in columns)
    row = f"({', '.join(['%s'] * len(columns))})"
    rows = ", ".join([row] * len(values))
    return Fragment(f"({names}) IN ({rows})", tuple(value for row in values for value in row))
