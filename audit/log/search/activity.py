"""The number of commands over time, counted up to a limit."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from audit.log.search import full_text
from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment, every
from audit.log.search.scans import Scan, during, scan_for, through_time
from audit.wire.arrays import array

# The most commands that are read to be counted: a few milliseconds of an index scan.
MOST = 10_000
# With words, each reason is split into words first: about 4 µs.
MOST_WITH_WORDS = 3_000


def most_counted(criteria: Criteria) -> int:
    """Return the most commands that `activity` counts for these criteria."""
    return MOST_WITH_WORDS if criteria.goes_by_words else MOST


def activity(
    criteria: Criteria, edges: Sequence[datetime], *, scan: Scan | None = None
) -> list[int] | None:
    """Count between each edge and the next one; None if these are more than `most_counted`.

    ``scan`` is that of the criteria, if it is known already.
    """
    criteria = replace(criteria, since=edges[0], until=edges[-1])
    counts = _count(scan or scan_for(criteria), criteria, edges)
    if counts is not None or not criteria.goes_by_words:
        return counts
    # Too many to check each: count those that the index of words finds.
    times = full_text.times(criteria, most=MOST_WITH_WORDS)
    return None if times is None else counted(times, edges)


def counted(moments: Iterable[datetime], edges: Sequence[datetime]) -> list[int]:
    """Count known times; a clock ahead of ours may have stamped some beyond the last edge."""
    counts = [0] * (len(edges) - 1)
    for moment in moments:
        if edges[0] <= moment < edges[-1]:
            counts[bisect_right(edges, moment) - 1] += 1
    return counts


def oldest(criteria: Criteria) -> datetime | None:
    """Return the time of the oldest command that may be found."""
    scan = through_time(Criteria(tenants=criteria.tenants))
    rows = scan.rows("received_at", every(), order="received_at, position", most=1)
    statement = Fragment(f"SELECT min(received_at) FROM {rows.sql}", rows.params)
    ((found,),) = statement.fetch()
    first: datetime | None = found
    return first


def _count(scan: Scan, criteria: Criteria, edges: Sequence[datetime]) -> list[int] | None:
    if not scan.ranges:
        return counted([], edges)
    most = most_counted(criteria)
    rest = every(*scan.rest)
    # Rows are checked only if they are not too many: that takes longer than to read them.
    # Without the order PostgreSQL may prefer to read the whole table for rows near its end.
    rows = scan.rows(
        ", ".join(sorted({"received_at", *rest.columns()})),
        during(criteria),
        order="received_at DESC, position DESC",
        most=most + 1,
    )
    sql = f"""
        WITH scanned AS MATERIALIZED (SELECT found.* FROM {rows.sql} LIMIT %s)
        SELECT width_bucket(received_at, %s::timestamptz[]) - 1,
            count(*), count(*) FILTER (WHERE (SELECT count(*) FROM scanned) <= %s AND {rest.sql})
        FROM scanned AS each GROUP BY 1
    """
    params = (*rows.params, most + 1, array(edges), most, *rest.params)
    found = Fragment(sql, params).fetch()
    if sum(scanned for _, scanned, _ in found) > most:
        return None
    counts = {bar: number for bar, _, number in found}
    return [counts.get(bar, 0) for bar in range(len(edges) - 1)]
