"""How many commands there are over time: counted where that is quick, and otherwise estimated.

Counting along an index takes about a third of a millisecond a thousand rows, and finding where to
begin as long as twenty rows, so a log of millions is not counted for a picture. Evenly spread
slices of it are, and the picture says so; whoever looks closer comes to a stretch that is counted.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection

from audit.log.search import full_text
from audit.log.search.criteria import Criteria
from audit.log.search.scans import Walk, every, reason, through_time, walk_for
from audit.log.search.time_ranges import during
from audit.wire.arrays import array

# So a picture of millions takes no longer than one of so many that are counted.
_MOST_COUNTED = 10_000
# In lanes that are too many to be counted bar by bar, and of rows that have to be looked at.
_MOST_IN_MANY_LANES = 20_000
_MOST_LOOKED_AT = 1_000
_MOST_WITH_WORDS = 2_000
_MOST_READ = 3_000
_MOST_LANES_READ = 20
_SAMPLED = 3_000
_MOST_PROBES = 2_000
# An estimate begins at no more places, if each bar has at least one in each lane.
_MOST_SLICES = 500
_SLICES = 3
# Which lanes have most is told by a fifth of that, in slices of all the time that is shown.
_SHARE_WEIGHED = 0.2
_SLICES_WEIGHED = 6
_NEARLY_ALL = 0.9
_SLICES_LOOKED_AT = 4


class Activity(NamedTuple):
    """How many commands there are in each of some stretches of time."""

    counts: list[int]
    is_exact: bool


class _Slice(NamedTuple):
    """A stretch of time that is counted for the bar with this number."""

    bar: int
    start: datetime
    end: datetime


def activity(criteria: Criteria, edges: Sequence[datetime]) -> Activity | None:
    """Count between each edge and the next one; None if even an estimate would take too long.

    So it is where many rows have to be read one by one, for a word that many reasons have, or for
    what no index tells of somebody who does a lot.
    """
    criteria = criteria.within(edges[0], edges[-1])
    if criteria.tenants is not None and not criteria.tenants:
        return counted([], edges)
    if criteria.reason and not (criteria.correlation_id or criteria.subject):
        return _with_words(criteria, edges)
    return _counted_or_estimated(criteria, edges)


def _with_words(criteria: Criteria, edges: Sequence[datetime]) -> Activity | None:
    """Read what few there are, and otherwise ask the index of words."""
    walk = walk_for(replace(criteria, reason=""))
    if len(walk.lanes) <= _MOST_LANES_READ and _estimate(walk, criteria) <= _MOST_READ:
        walk = replace(walk, rest=(*walk.rest, *reason(criteria)))
        return _lane_by_lane(walk, criteria, edges)
    moments = full_text.moments(criteria, most=_MOST_WITH_WORDS)
    return None if moments is None else counted(moments, edges)


def _counted_or_estimated(criteria: Criteria, edges: Sequence[datetime]) -> Activity | None:
    walk = walk_for(criteria)
    if not walk.lanes:
        return counted([], edges)
    expected = _estimate(walk, criteria)
    if walk.rest:
        return _lane_by_lane(walk, criteria, edges) if expected <= _MOST_LOOKED_AT else None
    if len(walk.lanes) * len(edges) <= _MOST_PROBES:
        return _in_slices(walk, edges, share=_share(walk, expected), slices=_SLICES)
    if expected <= _MOST_IN_MANY_LANES:
        return _lane_by_lane(walk, criteria, edges)
    walk = through_time(criteria)
    share = min(1.0, _MOST_LOOKED_AT / max(1, _estimate(walk, criteria)))
    return _in_slices(walk, edges, share=share, slices=_SLICES_LOOKED_AT)


def _share(walk: Walk, expected: int) -> float:
    """Tell how much of what is expected to count; whose rows are is not in every index."""
    if walk.inside:
        return min(1.0, _MOST_LOOKED_AT / max(1, expected))
    return 1.0 if expected <= _MOST_COUNTED else _SAMPLED / expected


def counted(moments: Iterable[datetime], edges: Sequence[datetime]) -> Activity:
    """Count moments that are known; a clock ahead of ours may have stamped some beyond the last."""
    counts = [0] * (len(edges) - 1)
    for moment in moments:
        if edges[0] <= moment < edges[-1]:
            counts[bisect_right(edges, moment) - 1] += 1
    return Activity(counts, is_exact=True)


def oldest(criteria: Criteria) -> datetime | None:
    """Tell since when there are commands that may be found at all."""
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


def _lane_by_lane(walk: Walk, criteria: Criteria, edges: Sequence[datetime]) -> Activity:
    source, row = walk.source(), every(walk.in_lane(), during(criteria), *walk.rest)
    sql = f"""
        SELECT width_bucket(received_at, %s::timestamptz[]) - 1, count(*)
        FROM {source.sql} CROSS JOIN LATERAL (
            SELECT received_at FROM audit_commandrecord AS each WHERE {row.sql}
        ) AS found GROUP BY 1
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [array(edges), *source.params, *row.params])
        found = dict(cursor.fetchall())
    return Activity([found.get(bar, 0) for bar in range(len(edges) - 1)], is_exact=True)


def _in_slices(walk: Walk, edges: Sequence[datetime], *, share: float, slices: int) -> Activity:
    """Count a share of the time between edges, in evenly spread slices."""
    is_exact = share == 1.0
    if not is_exact and len(walk.lanes) > 1:
        walk, weight = _heaviest(walk, edges, share=share)
        share *= weight
    affordable = max(1, _MOST_SLICES // (len(walk.lanes) * len(edges)))
    cut = list(_cut(edges, share=share, slices=1 if is_exact else min(slices, affordable)))
    # A burst that happens to lie in a slice must not make the page slow.
    most = None if is_exact else 5 * _SAMPLED // len(cut) + 100
    found: dict[int, int] = dict(_count(walk, cut, most=most, by="slice.bar"))
    counts = [round(found.get(bar, 0) / share) for bar in range(len(edges) - 1)]
    return Activity(counts, is_exact=is_exact)


def _heaviest(walk: Walk, edges: Sequence[datetime], *, share: float) -> tuple[Walk, float]:
    """Keep the lanes that have nearly all there is, and tell how much of it that is.

    Most commands succeed, so most lanes have next to nothing to count, and as many places to look.
    """
    cut = list(_cut((edges[0], edges[-1]), share=share * _SHARE_WEIGHED, slices=_SLICES_WEIGHED))
    found = _count(walk, cut, most=_SAMPLED, by=", ".join(f"lane.{name}" for name in walk.columns))
    heaviest = sorted(found, key=itemgetter(-1), reverse=True)
    total, weight, lanes = sum(row[-1] for row in found), 0, []
    for *lane, number in heaviest:
        if weight >= _NEARLY_ALL * total:
            break
        weight += number
        lanes.append(tuple(lane))
    return (replace(walk, lanes=lanes), weight / total) if weight else (walk, 1.0)


def _count(
    walk: Walk, cut: Sequence[_Slice], *, most: int | None, by: str
) -> list[tuple[Any, ...]]:
    """Count what lies in slices, at most so many in each slice of each lane."""
    source, row, rest = walk.source(), walk.in_lane(), every(*walk.rest)
    sql = f"""
        SELECT {by}, sum(counted.number)::int
        FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[]) AS slice (bar, start, stop)
        CROSS JOIN {source.sql} CROSS JOIN LATERAL (
            SELECT count(*) AS number FROM (
                SELECT {", ".join(rest.columns())} FROM audit_commandrecord AS each
                WHERE {row.sql} AND received_at >= slice.start AND received_at < slice.stop LIMIT %s
            ) AS each WHERE {rest.sql}
        ) AS counted GROUP BY {by}
    """
    arrays = map(array, zip(*cut, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*arrays, *source.params, *row.params, most, *rest.params])
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _cut(edges: Sequence[datetime], *, share: float, slices: int) -> Iterator[_Slice]:
    for bar, (start, end) in enumerate(pairwise(edges)):
        step = (end - start) / slices
        for each in range(slices):
            middle = start + step * (each + 0.5)
            yield _Slice(bar, middle - step * share / 2, middle + step * share / 2)


def _estimate(walk: Walk, criteria: Criteria) -> int:
    """Ask PostgreSQL how many rows it expects; it knows without looking."""
    row = every(*walk.told, during(criteria))
    sql = f"EXPLAIN (FORMAT JSON) SELECT FROM audit_commandrecord AS each WHERE {row.sql}"
    with connection.cursor() as cursor:
        cursor.execute(sql, row.params)
        (found,) = cursor.fetchone()
    (plan,) = json.loads(found) if isinstance(found, str) else found
    return int(plan["Plan"]["Plan Rows"])
