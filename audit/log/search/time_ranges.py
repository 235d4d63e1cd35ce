"""Time ranges: the part of the log to read, and the places found there."""

from datetime import datetime
from typing import NamedTuple, Self

from audit.log.orders import Key, Order
from audit.log.search.criteria import Criteria
from audit.log.search.scans import Condition, Walk, every

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


class Stretch(NamedTuple):
    """The criteria of a search, the place where reading begins, and its direction."""

    criteria: Criteria
    beyond: Cursor | None
    is_newer: bool

    @property
    def order(self) -> str:
        """The order of reading, in SQL."""
        direction = "ASC" if self.is_newer else "DESC"
        return f"received_at {direction}, position {direction}"

    def condition(self) -> Condition:
        """Return the condition for the rows of the time range."""
        criteria = self.criteria
        conditions = [during(criteria)]
        if self.beyond:
            sign = ">" if self.is_newer else "<"
            place = f"(each.received_at, each.position) {sign} (%s, %s)"
            conditions.append(Condition(place, tuple(self.beyond)))
        return every(*conditions)


class Places(NamedTuple):
    """The places of found records, in reading order, and how far was searched.

    ``edge`` None means to the end.
    """

    found: list[Cursor]
    edge: Cursor | None = None


def during(criteria: Criteria) -> Condition:
    """Return the condition on the time."""
    conditions = []
    if criteria.since:
        conditions.append(Condition("each.received_at >= %s", (criteria.since,)))
    if criteria.until:
        conditions.append(Condition("each.received_at < %s", (criteria.until,)))
    return every(*conditions)


def newest(walk: Walk, criteria: Criteria, *, columns: str, most: int) -> Condition:
    """Select columns of the newest rows of a walk, the time and position among them."""
    source, row = walk.source(), every(walk.in_lane(), during(criteria))
    order = "ORDER BY received_at DESC, position DESC LIMIT %s"
    sql = f"""
        SELECT found.* FROM {source.sql} CROSS JOIN LATERAL (
            SELECT {columns} FROM audit_commandrecord AS each WHERE {row.sql} {order}
        ) AS found {order}
    """
    return Condition(sql, (*source.params, *row.params, most, most))
