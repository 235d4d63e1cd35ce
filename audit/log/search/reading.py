"""Pages of search results, newest first."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

from audit.log.search import full_text
from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment, every
from audit.log.search.scans import Scan, scan_for
from audit.log.search.time_ranges import Cursor, Places, TimeRange
from audit.models.records import CommandRecord

# The numbers of rows on which criteria without an index are checked: the first often suffices.
_MOST_SCANNED = (200, 1_000)
_MOST_RANGES_PASSED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of results: the places of its records, in reading order.

    ``older`` and ``newer`` are the starts of the next pages, or None. If the page ``is_cut``, the
    search stopped early: there may be more records beyond it. ``records`` are newest first.
    ``scan`` is that of the criteria, for further queries with them.
    """

    places: list[Cursor]
    older: Cursor | None
    newer: Cursor | None
    is_cut: bool
    scan: Scan
    records: list[CommandRecord] = field(default_factory=list)

    @property
    def is_all(self) -> bool:
        """True if the page contains all results."""
        return self.older is None and self.newer is None


def read_page(
    criteria: Criteria, *, size: int, before: Cursor | None = None, after: Cursor | None = None
) -> Page:
    """Return the newest page, or the one older than ``before`` or newer than ``after``."""
    page = find_page(criteria, size=size, before=before, after=after)
    found = CommandRecord.objects.defer("fingerprint", "data", "decision").in_bulk(
        [place.position for place in page.places]
    )
    return replace(page, records=[found[position] for _, position in sorted(page.places)[::-1]])


def find_page(
    criteria: Criteria, *, size: int, before: Cursor | None = None, after: Cursor | None = None
) -> Page:
    """Return a page without reading its records."""
    time_range = TimeRange(criteria, after or before, is_newer=after is not None)
    scan = scan_for(criteria)
    found, edge = _find(time_range, scan, wanted=size + 1)
    is_full = len(found) > size
    places = found[:size]
    further = places[-1] if is_full else edge
    back = (places[0] if places else time_range.beyond) if time_range.beyond else None
    older, newer = (back, further) if time_range.is_newer else (further, back)
    is_cut = not is_full and edge is not None
    return Page(places=places, older=older, newer=newer, is_cut=is_cut, scan=scan)


def _find(time_range: TimeRange, scan: Scan, *, wanted: int) -> Places:
    """Return the nearest matches: from an index scan, or from the index of words if these are rare.

    Common words are found quickly by checking for them in the rows that match the other criteria.
    The index of words has no order, so a search in it would have to read every match of a day.
    """
    criteria = time_range.criteria
    if not scan.ranges:
        return Places([])
    if criteria.goes_by_words and len(scan.ranges) > _MOST_RANGES_PASSED:
        return full_text.places(time_range, wanted=wanted)
    if not scan.rest:
        rows = time_range.first(scan, columns="received_at, position", most=wanted).fetch()
        return Places([Cursor(*row) for row in rows])
    limits = sorted({max(wanted, most // len(scan.ranges)) for most in _MOST_SCANNED})
    for most, following in pairwise([*limits, 0]):
        places = _scan_and_check(scan, time_range, wanted=wanted, most=most)
        if len(places.found) >= wanted or places.edge is None:
            break
        # So few of the nearest rows match that the next, larger scan would hardly fill a page.
        if criteria.goes_by_words and 2 * len(places.found) * following < wanted * most:
            return full_text.places(time_range, wanted=wanted)
    return places


def _scan_and_check(scan: Scan, time_range: TimeRange, *, wanted: int, most: int) -> Places:
    """Scan an index and check the remaining criteria, on at most ``most`` rows of each range.

    If a range has more rows, results beyond its last scanned row are dropped from the other
    ranges, too, so that the page has no gaps.
    """
    source, rest, order = scan.source(), every(*scan.rest), time_range.order
    row = every(scan.in_range(), time_range.condition())
    # Only these columns, for an index-only scan: the rows are scattered over the table.
    checked = ", ".join(["received_at", "position", *rest.columns()])
    sign = "<=" if time_range.is_newer else ">="
    sql = f"""
        WITH scanned AS MATERIALIZED (
            SELECT found.* FROM {source.sql} CROSS JOIN LATERAL (
                SELECT *, row_number() OVER (ORDER BY {order}) AS nth FROM (
                    SELECT {checked} FROM audit_commandrecord AS each
                    WHERE {row.sql} ORDER BY {order} LIMIT %s
                ) AS nearest
            ) AS found
        ),
        edge AS (
            SELECT received_at, position FROM scanned WHERE nth = %s
            ORDER BY {order} LIMIT 1
        )
        SELECT edge.received_at, edge.position, found.received_at, found.position
        FROM (SELECT) AS anything LEFT JOIN edge ON true LEFT JOIN LATERAL (
            SELECT received_at, position FROM scanned AS each
            WHERE {rest.sql} AND (edge.position IS NULL
                OR (received_at, position) {sign} (edge.received_at, edge.position))
            ORDER BY {order} LIMIT %s
        ) AS found ON true
        ORDER BY found.{order.replace(", ", ", found.")}
    """
    params = (*source.params, *row.params, most, most, *rest.params, wanted)
    rows = Fragment(sql, params).fetch()
    edge = None if rows[0][1] is None else Cursor(*rows[0][:2])
    return Places([Cursor(*row[2:]) for row in rows if row[3] is not None], edge)
