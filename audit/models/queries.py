"""Queries written in SQL, which a connection prepares at their first use."""

from contextlib import AbstractContextManager
from typing import Any

from audit.wire import pipeline
from audit.wire.statements import Call, Statement

Row = tuple[Any, ...]


class PreparedQuery:
    """SQL with parameters, written %s or %(name)s.

    Values are given by position or by name, like the parameters.
    """

    def __init__(self, sql: str) -> None:
        self._statement = Statement(sql)

    def first(self, values: Any = ()) -> Row | None:
        """Return the first row, or None if there is none."""
        return pipeline.fetch(self._statement, values)

    def rows(self, values: Any = ()) -> list[Row]:
        """Return all rows. They may have been read with the COMMIT of a command."""
        return pipeline.read(self._call(values))

    def logged_rows(self, values: Any = ()) -> list[Row]:
        """Return all rows of a query that replaces one of the ORM, and is logged like one."""
        return pipeline.execute(self._statement, values)

    def prefetched_after_commit(self, values: Any) -> AbstractContextManager[None]:
        """Return the context within which a successful command reads the rows with its COMMIT.

        `rows`, called with equal values within this context, then needs no round trip of its own.
        """
        return pipeline.prefetched_after_commit(self._call(values))

    def _call(self, values: Any) -> Call:
        return Call(self._statement, values)
