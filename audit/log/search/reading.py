"""Pages of search results, newest first."""

from dataclasses import dataclass, replace
from itertools import pairwise

from django.db import connection

from audit.log.search import full_text
from audit.log.search.criteria import Criteria
from audit.log.search.scans import Walk, every, reason, walk_for
from audit.log.search.time_ranges import Cursor, Places, Stretch
from audit.models.records import CommandRecord
from audit.wire.statements import quick_times

# The numbers of rows on which criteria without an index are checked: the first often suffices.
_LOOKS = (200, 1_000)
_MOST_LANES_PASSED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The places of the records of a page, in reading order.

    ``older`` and ``newer`` are the starts of the next pages, or None. If the page ``is_cut``, the
    search stopped early: there may be more records beyond it.
    """

    places: list[Cursor]
    older: Cursor | None
    newer: Cursor | None
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of records, newest first; the other fields are those of its `Page`."""

    records: list[CommandRecord]
    older: Cursor | None
    newer: Cursor | None
    is_cut: bool

    @property
    def is_all(self) -> bool:
        """True if the page contains all results."""
        return self.older is None and self.newer is None


def read_page(
    criteria: Criteria, *, size: int, before: Cursor | None = None, after: Cursor | None = None
) -> Found:
    """Return the newest page, or the one older than ``before`` or newer than ``after``."""
    page = find_page(criteria, size=size, before=before, after=after)
    records = _records(page.places)
    return Found(records=records, older=page.older, newer=page.newer, is_cut=page.is_cut)


def find_page(
    criteria: Criteria, *, size: int, before: Cursor | None = None, after: Cursor | None = None
) -> Page:
    """Return the places of the records of a page, without reading the records."""
    stretch = Stretch(criteria, after or before, is_newer=after is not None)
    places = _look(stretch, wanted=size + 1)
    is_full = len(places.found) > size
    page = places.found[:size]
    further = page[-1] if is_full else places.edge
    back = (page[0] if page else stretch.beyond) if stretch.beyond else None
    older, newer = (back, further) if stretch.is_newer else (further, back)
    is_cut = not is_full and places.edge is not None
    return Page(places=page, older=older, newer=newer, is_cut=is_cut)


def _look(stretch: Stretch, *, wanted: int) -> Places:
    criteria = stretch.criteria
    if criteria.sees_nothing:
        return Places([])
    if criteria.goes_by_words:
        return _common_words(stretch, wanted=wanted) or full_text.places(stretch, wanted=wanted)
    walk = walk_for(criteria)
    if not walk.lanes:
        return Places([])
    if not walk.rest:
        return _along(walk, stretch, wanted=wanted)
    for most in _looks(walk, wanted=wanted):
        places = _along_checking(walk, stretch, wanted=wanted, most=most)
        if len(places.found) >= wanted or places.edge is None:
            break
    return places


def _common_words(stretch: Stretch, *, wanted: int) -> Places | None:
    """Check for words in the rows that match the other criteria; None if they are too rare.

    Common words are found quickly like this. The index of words has no order, so a search in it
    would have to read every match of a day.
    """
    walk = walk_for(replace(stretch.criteria, reason=""))
    if not walk.lanes:
        return Places([])
    walk = replace(walk, rest=(*walk.rest, *reason(stretch.criteria)))
    looks = _looks(walk, wanted=wanted) if len(walk.lanes) <= _MOST_LANES_PASSED else []
    for most, following in pairwise([*looks, 0]):
        places = _along_checking(walk, stretch, wanted=wanted, most=most)
        if len(places.found) >= wanted or places.edge is None:
            return places
        # So few of the nearest rows match that the next, larger scan would hardly fill a page.
        if 2 * len(places.found) * following < wanted * most:
            return None
    return None


def _looks(walk: Walk, *, wanted: int) -> list[int]:
    """Return the numbers of rows to scan in each lane, ascending; one if both are the same."""
    return sorted({max(wanted, looks // len(walk.lanes)) for looks in _LOOKS})


def _along(walk: Walk, stretch: Stretch, *, wanted: int) -> Places:
    """Scan an index that leaves no criteria to check."""
    source, row = walk.source(), every(walk.in_lane(), stretch.condition())
    sql = f"""
        SELECT found.received_at, found.position
        FROM {source.sql} CROSS JOIN LATERAL (
            SELECT received_at, position FROM audit_commandrecord AS each
            WHERE {row.sql} ORDER BY {stretch.order} LIMIT %s
        ) AS found
        ORDER BY {stretch.order} LIMIT %s
    """
    with quick_times(connection.cursor()) as cursor:
        cursor.execute(sql, [*source.params, *row.params, wanted, wanted])
        return Places([Cursor(*found) for found in cursor.fetchall()])


def _along_checking(walk: Walk, stretch: Stretch, *, wanted: int, most: int) -> Places:
    """Scan an index and check the remaining criteria, on at most ``most`` rows of each lane.

    If a lane has more rows, results beyond its last scanned row are dropped from the other lanes,
    too, so that the result has no gaps.
    """
    source, row, rest = walk.source(), every(walk.in_lane(), stretch.condition()), every(*walk.rest)
    # Only these columns, for an index-only scan: the rows are scattered over the table.
    checked = ", ".join(["received_at", "position", *rest.columns()])
    sign = "<=" if stretch.is_newer else ">="
    sql = f"""
        WITH looked_at AS MATERIALIZED (
            SELECT found.* FROM {source.sql} CROSS JOIN LATERAL (
                SELECT *, row_number() OVER (ORDER BY {stretch.order}) AS nth FROM (
                    SELECT {checked} FROM audit_commandrecord AS each
                    WHERE {row.sql} ORDER BY {stretch.order} LIMIT %s
                ) AS nearest
            ) AS found
        ),
        edge AS (
            SELECT received_at, position FROM looked_at WHERE nth = %s
            ORDER BY {stretch.order} LIMIT 1
        )
        SELECT edge.received_at, edge.position, found.received_at, found.position
        FROM (SELECT) AS anything LEFT JOIN edge ON true LEFT JOIN LATERAL (
            SELECT received_at, position FROM looked_at AS each
            WHERE {rest.sql} AND (edge.position IS NULL
                OR (received_at, position) {sign} (edge.received_at, edge.position))
            ORDER BY {stretch.order} LIMIT %s
        ) AS found ON true
        ORDER BY found.{stretch.order.replace(", ", ", found.")}
    """
    with quick_times(connection.cursor()) as cursor:
        cursor.execute(sql, [*source.params, *row.params, most, most, *rest.params, wanted])
        rows = cursor.fetchall()
    edge = None if rows[0][1] is None else Cursor(*rows[0][:2])
    return Places([Cursor(*row[2:]) for row in rows if row[3] is not None], edge)


def _records(places: list[Cursor]) -> list[CommandRecord]:
    records = CommandRecord.objects.filter(position__in=[place.position for place in places])
    found = {each.position: each for each in records.defer("fingerprint", "data", "decision")}
    return [found[place.position] for place in sorted(places, reverse=True)]
