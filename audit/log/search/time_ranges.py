"""Time ranges: the part of the log to read, and the places found there."""

from datetime import datetime
from typing import NamedTuple, Self

from audit.log.orders import Key, Order
from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment, every
from audit.log.search.scans import Scan, during

_ORDER = Order("search", Key("received_at", datetime), Key("position", int))


class Cursor(NamedTuple):
    """A record's place in the order of pages: by time and, where that is equal, by position."""

    at: datetime
    position: int

    def __str__(self) -> str:
        return _ORDER.cursor_at(self)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a cursor back.

        :raises ValueError: if it is not a valid one.
        """
        return cls(*_ORDER.read(text))  # type: ignore[arg-type]  # of the kinds in the order


class TimeRange(NamedTuple):
    """The criteria of a search, the place where reading begins, and its direction.

    By default, reading begins at the newest record.
    """

    criteria: Criteria
    beyond: Cursor | None = None
    is_newer: bool = False

    @property
    def order(self) -> str:
        """The order of reading, in SQL."""
        direction = "ASC" if self.is_newer else "DESC"
        return f"received_at {direction}, position {direction}"

    def condition(self) -> Fragment:
        """Return the condition for the rows of the time range."""
        if self.beyond is None:
            return during(self.criteria)
        place = f"(each.received_at, each.position) {'>' if self.is_newer else '<'} (%s, %s)"
        return every(during(self.criteria), Fragment(place, tuple(self.beyond)))

    def first(self, scan: Scan, *, columns: str, most: int) -> Fragment:
        """Select columns of the first rows of a scan, the time and position among them."""
        rows = scan.rows(columns, self.condition(), order=self.order, most=most)
        sql = f"SELECT found.* FROM {rows.sql} ORDER BY {self.order} LIMIT %s"
        return Fragment(sql, (*rows.params, most))


class Places(NamedTuple):
    """The places of found records, in reading order, and how far was searched.

    ``edge`` None means to the end.
    """

    found: list[Cursor]
    edge: Cursor | None = None
