"""Time ranges: the part of the log to read, and the places found there."""

from typing import NamedTuple

from audit.log.search.criteria import Criteria
from audit.log.search.cursors import Cursor
from audit.log.search.scans import Condition, every


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
