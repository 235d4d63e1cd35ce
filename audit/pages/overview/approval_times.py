"""The times that held commands wait, and waited until they were decided, by the log."""

import statistics
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from audit.log import standings
from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment
from audit.log.search.scans import scan_for
from audit.log.search.time_ranges import TimeRange
from audit.models.records import Status
from audit.pages.charts.bars import Count, LinksTo, RankBar, rank_bars
from audit.pages.labels import NOT_EXECUTED, span

# The number of held commands that are read, the newest first.
MOST = 1_000
_DECILES = 10
# Labels of waiting times, with their upper limits.
_LENGTHS = {
    "under 10 min": timedelta(minutes=10),
    "10 to 60 min": timedelta(hours=1),
    "1 to 4 h": timedelta(hours=4),
    "4 to 24 h": timedelta(days=1),
    "1 to 3 days": timedelta(days=3),
    "over 3 days": None,
}
_ENDS = {
    "succeeded": (Status.SUCCEEDED,),
    NOT_EXECUTED: (Status.CANCELLED,),
    "refused or failed": (Status.REFUSED, Status.FAILED),
}
# The ends of waits that go on, without and with a known standing.
_OPEN = (None, Status.POSTPONED)


class Waits(NamedTuple):
    """The waiting times of commands with the same outcome."""

    words: str
    number: int
    median: str
    ninth_decile: str


class _Wait(NamedTuple):
    command_id: UUID
    held_at: datetime
    end: str | None
    ended_at: datetime | None

    @property
    def length(self) -> timedelta:
        return max((self.ended_at or timezone.now()) - self.held_at, timedelta(0))


def held(criteria: Criteria, *, links_to: LinksTo) -> dict[str, Any]:
    """Return figures of the newest held commands, by what ended the wait of each of them."""
    waits = _waits(criteria)
    waiting = [wait.length for wait in waits if wait.end in _OPEN]
    return {
        "waiting": len(waiting),
        "longest": span(max(waiting)) if waiting else "",
        "ages": _ages(waiting, criteria.since, links_to=links_to),
        "decided": list(_decided(waits)),
        "is_cut": len(waits) == MOST,
        "most": f"{MOST:,}",
    }


def _waits(criteria: Criteria) -> list[_Wait]:
    """Return the waits of held commands, to the next attempt or to an end without a record."""
    columns = "received_at, position, command_id, attempt"
    found = TimeRange(criteria).first(scan_for(criteria), columns=columns, most=MOST)
    sql = f"""
        WITH held AS MATERIALIZED ({found.sql})
        SELECT held.command_id, held.received_at,
            COALESCE(later.status, ({standings.sql("held.command_id")})[1]), later.received_at
        FROM held LEFT JOIN LATERAL (
            SELECT status, received_at FROM audit_commandrecord AS each
            WHERE each.command_id = held.command_id AND each.attempt > held.attempt
            ORDER BY attempt LIMIT 1
        ) AS later ON true
    """  # noqa: S608  # put together from conditions of our own
    return _dated([_Wait(*row) for row in Fragment(sql, found.params).fetch()])


def _dated(waits: Sequence[_Wait]) -> list[_Wait]:
    """Return the waits with the times of ends that no record has yet."""
    undated = [each.command_id for each in waits if not each.ended_at and each.end not in _OPEN]
    ends = standings.standings(undated)
    return [
        each
        if each.command_id not in ends
        else each._replace(ended_at=ends[each.command_id].ended_at)
        for each in waits
    ]


def _ages(
    waiting: Sequence[timedelta], since: datetime | None, *, links_to: LinksTo
) -> list[RankBar]:
    now, least, counts = timezone.now(), timedelta(0), []
    for label, most in _LENGTHS.items():
        number = sum(least <= length < (most or timedelta.max) for length in waiting)
        url = links_to(now - most if most else since, now - least if least else None)
        counts.append(Count(label, number, url))
        least = most or least
    return rank_bars(counts)


def _decided(waits: Sequence[_Wait]) -> Iterator[Waits]:
    for label, statuses in _ENDS.items():
        lengths = sorted(wait.length for wait in waits if wait.end in statuses)
        if lengths:
            median: Any = statistics.median(lengths)  # type: ignore[type-var]  # works for times
            ninth = lengths[-(-len(lengths) * 9 // _DECILES) - 1]
            yield Waits(label, len(lengths), span(median), span(ninth))
