"""How long commands that were held took to be decided, as the log tells it."""

import statistics
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from audit.log.search.criteria import Criteria
from audit.log.search.scans import scan_for
from audit.log.search.time_ranges import newest
from audit.models.records import Status
from audit.pages.charts.ranks import Count, RankChart, rank_chart
from audit.pages.labels import span

# The newest of those that were held are looked at.
MOST = 1_000
_DECILES = 10
_LENGTHS = (
    timedelta(0),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(days=1),
    timedelta(days=3),
)
_LENGTH_WORDS = (
    "under 10 min",
    "10 to 60 min",
    "1 to 4 h",
    "4 to 24 h",
    "1 to 3 days",
    "over 3 days",
)

LinksTo = Callable[[datetime | None, datetime | None], str]


class Waits(NamedTuple):
    """How long those took that came to the same end."""

    words: str
    number: int
    median: str
    ninth_decile: str


class Held(NamedTuple):
    """What became of commands that were held. ``is_cut`` if there are more than were looked at."""

    waiting: int
    longest: str
    ages: RankChart
    decided: list[Waits]
    is_cut: bool


class _Wait(NamedTuple):
    held_at: datetime
    end: str | None
    ended_at: datetime | None

    @property
    def length(self) -> timedelta:
        return max((self.ended_at or timezone.now()) - self.held_at, timedelta(0))


def held(criteria: Criteria, *, links_to: LinksTo) -> Held:
    """Look at the newest commands that were held, and at the next attempt at each of them.

    ``links_to`` finds what was held between two moments; None stands for no end.
    """
    waits = _waits(criteria)
    waiting = [wait for wait in waits if wait.end is None]
    longest = max((wait.length for wait in waiting), default=timedelta(0))
    return Held(
        waiting=len(waiting),
        longest=span(longest) if waiting else "",
        ages=_ages(waiting, links_to=links_to),
        decided=[*_decided(waits)],
        is_cut=len(waits) == MOST,
    )


def _waits(criteria: Criteria) -> list[_Wait]:
    columns = "received_at, position, command_id, attempt"
    found = newest(scan_for(criteria), criteria, columns=columns, most=MOST)
    sql = f"""
        WITH held AS MATERIALIZED ({found.sql})
        SELECT held.received_at, later.status, later.received_at
        FROM held LEFT JOIN LATERAL (
            SELECT status, received_at FROM audit_commandrecord AS each
            WHERE each.command_id = held.command_id AND each.attempt > held.attempt
            ORDER BY attempt LIMIT 1
        ) AS later ON true
    """  # noqa: S608  # put together from conditions of our own
    with connection.cursor() as cursor:
        cursor.execute(sql, found.params)
        return [_Wait(*row) for row in cursor.fetchall()]


def _ages(waiting: Sequence[_Wait], *, links_to: LinksTo) -> RankChart:
    now = timezone.now()
    counts = []
    for words, least, most in zip(_LENGTH_WORDS, _LENGTHS, [*_LENGTHS[1:], None], strict=True):
        longest = most or timedelta.max
        number = sum(least <= wait.length < longest for wait in waiting)
        url = links_to(now - most if most else None, now - least if least else None)
        counts.append(Count(words, number, url))
    return rank_chart(counts, name="waiting", title="Time waiting")


def _decided(waits: Sequence[_Wait]) -> list[Waits]:
    ends = {
        "succeeded": (Status.SUCCEEDED,),
        "cancelled": (Status.CANCELLED,),
        "refused or failed": (Status.REFUSED, Status.FAILED),
    }
    found = []
    for words, statuses in ends.items():
        lengths = sorted(wait.length for wait in waits if wait.end in statuses)
        if lengths:
            found.append(Waits(words, len(lengths), span(_median(lengths)), span(_ninth(lengths))))
    return found


def _median(lengths: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=statistics.median(each.total_seconds() for each in lengths))


def _ninth(lengths: Sequence[timedelta]) -> timedelta:
    """Tell what nine of ten did not exceed: the ninth decile."""
    return lengths[-(-len(lengths) * 9 // _DECILES) - 1]
