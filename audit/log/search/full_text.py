"""Full-text search in the reasons, by an index that has no order.

The index contains the words of a row's reason, its tenant and its day. So a common word is searched
on a few days at a time, and a rare one on all days at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment, every
from audit.log.search.index_ranges import MOST_RANGES
from audit.log.search.scans import checks, own
from audit.log.search.time_ranges import Cursor, Places, TimeRange

# The expression of the index that a migration created: the two must be identical.
_INDEXED = (
    "(to_tsvector('simple', each.reason) || array_to_tsvector(ARRAY['tenant ' || each.tenant,"
    " 'day ' || floor(extract(epoch FROM each.received_at AT TIME ZONE 'UTC') / 86400)::int::text"
    "]))"
)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A word that is rare in this many days is searched in all remaining days at once.
MOST_DAYS = 64
_GROWTH = 8
# The maximum number of rows with the words on which the other criteria are checked.
_MOST_ROWS = 2_000
_FAR_TOO_MANY = 4 * _MOST_ROWS


class _Batch(NamedTuple):
    """The places that a query found, in reading order, and the number of rows with the words."""

    found: list[Cursor]
    rows: int


def places(time_range: TimeRange, *, wanted: int, most_days: int = 0) -> Places:
    """Return the matching places nearest to the start of reading.

    Stop early if ``most_days`` are likely to have far too many rows with the words.
    """
    found: list[Cursor] = []
    rows, days, step = 0, 1, 1 if time_range.is_newer else -1
    day = _first_day(time_range)
    while days <= MOST_DAYS:
        batch = _read_days(time_range, every(), range(day, day + step * days, step), wanted=wanted)
        found, rows, day = found + batch.found, rows + batch.rows, day + step * days
        edge = Cursor(_EPOCH + _DAY * (day if time_range.is_newer else day + 1), 0)
        if len(found) >= wanted or _is_outside(edge, time_range):
            return Places(found[:wanted])
        if rows > _MOST_ROWS or batch.rows * most_days > _FAR_TOO_MANY * days:
            return Places(found, edge)
        days = min(days * _GROWTH, max(1, _MOST_ROWS * days // max(1, batch.rows)))
    sign = ">=" if time_range.is_newer else "<"
    beyond = Fragment(f"each.received_at {sign} %s", (edge.at,))
    return Places((found + _read_days(time_range, beyond, (), wanted=wanted).found)[:wanted])


def times(criteria: Criteria, *, most: int) -> list[datetime] | None:
    """Return the times at which all matching commands were received.

    None if they are more than ``most``, or if the time range is too long to know.
    """
    since, until = criteria.since, criteria.until or timezone.now()
    if since is None or until - since > _DAY * MOST_DAYS:
        return None
    time_range = TimeRange(criteria)
    found = places(time_range, wanted=most + 1, most_days=(until - since) // _DAY)
    return None if found.edge or len(found.found) > most else [each.at for each in found.found]


def _read_days(
    time_range: TimeRange, beyond: Fragment, days: Sequence[int], *, wanted: int
) -> _Batch:
    criteria = time_range.criteria
    candidates = _candidates(criteria, days)
    others = checks(replace(criteria, reason=""))
    checked = every(time_range.condition(), *own(criteria), *others, beyond)
    sql = f"""
        WITH candidates AS MATERIALIZED ({candidates.sql})
        SELECT (SELECT count(*) FROM candidates), received_at, position
        FROM (SELECT) AS anything LEFT JOIN LATERAL (
            SELECT received_at, position FROM candidates AS each
            WHERE {checked.sql} ORDER BY {time_range.order} LIMIT %s
        ) AS found ON true
    """
    rows = Fragment(sql, (*candidates.params, *checked.params, wanted)).fetch()
    return _Batch([Cursor(*row[1:]) for row in rows if row[1]], rows[0][0])


def _candidates(criteria: Criteria, days: Sequence[int]) -> Fragment:
    """Return the query for rows with the words, on some days or, if empty, on all days."""
    tenants = criteria.tenants if criteria.tenants and len(criteria.tenants) <= MOST_RANGES else ()
    labels = [[f"tenant {each}" for each in tenants], [f"day {each}" for each in days]]
    wanted = "plainto_tsquery('simple', %s)" + " && %s::tsquery" * sum(map(bool, labels))
    sql = f"""
        SELECT received_at, position, message_type, status, channel, tenant, actor_kind, actor_id,
            actor_label, request_id, client_address
        FROM audit_commandrecord AS each WHERE each.reason <> '' AND {_INDEXED} @@ ({wanted})
    """
    return Fragment(sql, (criteria.reason, *(_any_of(each) for each in labels if each)))


def _any_of(labels: Sequence[str]) -> str:
    """Return a text search query for any of the labels, each of them quoted."""
    quoted = (each.replace("\\", "\\\\").replace("'", "''") for each in labels)
    return " | ".join(f"'{each}'" for each in quoted)


def _first_day(time_range: TimeRange) -> int:
    criteria, place = time_range.criteria, time_range.beyond
    if time_range.is_newer:
        starts = (criteria.since, place.at if place else None, _EPOCH)
        return _day_of(min(_end(), max(each for each in starts if each)))
    days = [_day_before(each) for each in (criteria.until, _end()) if each]
    if place:
        # Position 0 is the edge of an earlier query, without a record: the day before is next.
        days.append(_day_of(place.at) if place.position else _day_before(place.at))
    return max(min(days), 0)


def _day_of(at: datetime) -> int:
    return (at - _EPOCH) // _DAY


def _day_before(at: datetime) -> int:
    """Return the day just before a time: at midnight, the previous day."""
    return -((_EPOCH - at) // _DAY) - 1


def _end() -> datetime:
    """Return a time after the newest records: a clock ahead of ours may have stamped some."""
    return timezone.now() + timedelta(hours=1)


def _is_outside(edge: Cursor, time_range: TimeRange) -> bool:
    criteria = time_range.criteria
    if time_range.is_newer:
        # An edge beyond the end would be a place whose next page begins before it, and ends there.
        return edge.at >= min(criteria.until or _end(), _end())
    return edge.at <= max(criteria.since or _EPOCH, _EPOCH)
