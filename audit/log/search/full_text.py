"""Full-text search in the reasons, by an index that has no order.

The index contains the words of a row's reason, its tenant and its day. So a common word is searched
on a few days at a time, and a rare one on all days at once.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from audit.log.search.criteria import Criteria
from audit.log.search.index_ranges import MOST_LANES
from audit.log.search.scans import Condition, actor, every, kind, own
from audit.log.search.time_ranges import Cursor, Places, Stretch
from audit.wire.statements import quick_times

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


class _Look(NamedTuple):
    """The places that one query found, in reading order, and how many rows had the words."""

    found: list[Cursor]
    rows: int


def places(stretch: Stretch, *, wanted: int, most_days: int = 0) -> Places:
    """Return the matching places nearest to the start of reading.

    Stop early if ``most_days`` are likely to have far too many rows with the words.
    """
    found: list[Cursor] = []
    rows, days, step = 0, 1, 1 if stretch.is_newer else -1
    day = _first_day(stretch)
    while days <= MOST_DAYS:
        look = _look(stretch, every(), range(day, day + step * days, step), wanted=wanted)
        found, rows, day = found + look.found, rows + look.rows, day + step * days
        edge = Cursor(_EPOCH + _DAY * (day if stretch.is_newer else day + 1), 0)
        if len(found) >= wanted or _is_outside(edge, stretch):
            return Places(found[:wanted])
        if rows > _MOST_ROWS or look.rows * most_days > _FAR_TOO_MANY * days:
            return Places(found, edge)
        days = min(days * _GROWTH, max(1, _MOST_ROWS * days // max(1, look.rows)))
    sign = ">=" if stretch.is_newer else "<"
    beyond = Condition(f"each.received_at {sign} %s", (edge.at,))
    return Places((found + _look(stretch, beyond, (), wanted=wanted).found)[:wanted])


def moments(criteria: Criteria, *, most: int) -> list[datetime] | None:
    """Return the times at which all matching commands were received.

    None if they are more than ``most``, or if the time range is too long to know.
    """
    since, until = criteria.since, criteria.until or timezone.now()
    if since is None or until - since > _DAY * MOST_DAYS:
        return None
    stretch = Stretch(criteria, None, is_newer=False)
    found = places(stretch, wanted=most + 1, most_days=(until - since) // _DAY)
    return None if found.edge or len(found.found) > most else [each.at for each in found.found]


def _look(stretch: Stretch, beyond: Condition, days: Sequence[int], *, wanted: int) -> _Look:
    looked_at = _looked_at(stretch.criteria, days)
    checked = every(_checked(stretch), beyond)
    sql = f"""
        WITH looked_at AS MATERIALIZED ({looked_at.sql})
        SELECT (SELECT count(*) FROM looked_at), received_at, position
        FROM (SELECT) AS anything LEFT JOIN LATERAL (
            SELECT received_at, position FROM looked_at AS each
            WHERE {checked.sql} ORDER BY {stretch.order} LIMIT %s
        ) AS found ON true
    """
    with quick_times(connection.cursor()) as cursor:
        cursor.execute(sql, [*looked_at.params, *checked.params, wanted])
        rows = cursor.fetchall()
    return _Look([Cursor(*row[1:]) for row in rows if row[1]], rows[0][0])


def _looked_at(criteria: Criteria, days: Sequence[int]) -> Condition:
    """Return the query for rows with the words, on some days or, if empty, on all days."""
    tenants = criteria.tenants if criteria.tenants and len(criteria.tenants) <= MOST_LANES else ()
    labels = [[f"tenant {each}" for each in tenants], [f"day {each}" for each in days]]
    wanted = "plainto_tsquery('simple', %s)" + " && %s::tsquery" * sum(map(bool, labels))
    sql = f"""
        SELECT received_at, position, message_type, status, channel, tenant, actor_kind, actor_id,
            actor_label
        FROM audit_commandrecord AS each WHERE each.reason <> '' AND {_INDEXED} @@ ({wanted})
    """
    return Condition(sql, (criteria.reason, *(_any_of(each) for each in labels if each)))


def _checked(stretch: Stretch) -> Condition:
    criteria = stretch.criteria
    return every(stretch.condition(), *own(criteria), *kind(criteria), *actor(criteria))


def _any_of(labels: Sequence[str]) -> str:
    """Return a text search query for any of the labels, each of them quoted."""
    quoted = (each.replace("\\", "\\\\").replace("'", "''") for each in labels)
    return " | ".join(f"'{each}'" for each in quoted)


def _first_day(stretch: Stretch) -> int:
    criteria, place = stretch.criteria, stretch.beyond
    if stretch.is_newer:
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


def _is_outside(edge: Cursor, stretch: Stretch) -> bool:
    criteria = stretch.criteria
    if stretch.is_newer:
        # An edge beyond the end would be a place whose next page begins before it, and ends there.
        return edge.at >= min(criteria.until or _end(), _end())
    return edge.at <= max(criteria.since or _EPOCH, _EPOCH)
