"""The number of commands over time, counted up to a limit."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import connection

from audit.log.search import full_text
from audit.log.search.criteria import Criteria
from audit.log.search.scans import Walk, every, reason, through_time, walk_for
from audit.log.search.time_ranges import during
from audit.wire.arrays import array

#: The most commands that are read to be counted: some milliseconds of an index.
MOST = 10_000
_MOST_WITH_WORDS = 2_000


def activity(criteria: Criteria, edges: Sequence[datetime]) -> list[int] | None:
    """Count between each edge and the next one; None if more than `MOST` would have to be read."""
    criteria = criteria.within(edges[0], edges[-1])
    if criteria.sees_nothing:
        return counted([], edges)
    if criteria.goes_by_words:
        return _with_words(criteria, edges)
    return _count(walk_for(criteria), criteria, edges)


def counted(moments: Iterable[datetime], edges: Sequence[datetime]) -> list[int]:
    """Count known times; a clock ahead of ours may have stamped some beyond the last edge."""
    counts = [0] * (len(edges) - 1)
    for moment in moments:
        if edges[0] <= moment < edges[-1]:
            counts[bisect_right(edges, moment) - 1] += 1
    return counts


def oldest(criteria: Criteria) -> datetime | None:
    """Return the time of the oldest command that may be found."""
    walk = through_time(Criteria(tenants=criteria.tenants))
    source, row = walk.source(), walk.in_lane()
    sql = f"""
        SELECT min(received_at) FROM {source.sql} CROSS JOIN LATERAL (
            SELECT received_at FROM audit_commandrecord AS each
            WHERE {row.sql} ORDER BY received_at, position LIMIT 1
        ) AS first
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [*source.params, *row.params])
        (found,) = cursor.fetchone()
    first: datetime | None = found
    return first


def _with_words(criteria: Criteria, edges: Sequence[datetime]) -> list[int] | None:
    """Read all rows if they are few, else those that the index of words finds."""
    walk = walk_for(replace(criteria, reason=""))
    walk = replace(walk, rest=(*walk.rest, *reason(criteria)))
    found = _count(walk, criteria, edges)
    if found is not None:
        return found
    moments = full_text.moments(criteria, most=_MOST_WITH_WORDS)
    return None if moments is None else counted(moments, edges)


def _count(walk: Walk, criteria: Criteria, edges: Sequence[datetime]) -> list[int] | None:
    if not walk.lanes:
        return counted([], edges)
    source, row, rest = walk.source(), every(walk.in_lane(), during(criteria)), every(*walk.rest)
    # Without the order PostgreSQL may prefer to read the whole table for rows near its end.
    sql = f"""
        WITH looked_at AS MATERIALIZED (
            SELECT found.* FROM {source.sql} CROSS JOIN LATERAL (
                SELECT {", ".join(sorted({"received_at", *rest.columns()}))}
                FROM audit_commandrecord AS each WHERE {row.sql}
                ORDER BY received_at DESC, position DESC LIMIT %s
            ) AS found LIMIT %s
        )
        SELECT width_bucket(received_at, %s::timestamptz[]) - 1,
            count(*), count(*) FILTER (WHERE {rest.sql})
        FROM looked_at AS each GROUP BY 1
    """
    params = [*source.params, *row.params, MOST + 1, MOST + 1, array(edges), *rest.params]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchall()
    if sum(looked_at for _, looked_at, _ in found) > MOST:
        return None
    counts = {bar: number for bar, _, number in found}
    return [counts.get(bar, 0) for bar in range(len(edges) - 1)]
