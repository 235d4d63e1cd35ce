"""Figures of subscriptions: how far each is behind, how fast it is, and what it has set aside."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import Count, Q
from django.utils import timezone

from audit.messages.classes import Subject
from audit.models.queries import PreparedQuery
from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions.checkpoints import place_of
from audit.reactions.declarations import find, subscriptions
from audit.reactions.reading import IS_OF_PARTITION, like_patterns
from audit.reactions.setbacks import beside

#: The most events after a checkpoint that are counted.
MOST_COUNTED = 10_000
MOST_LISTED = 50
# The time in which the rate forgets two thirds of what was before, as in the statement that moves a
# checkpoint.
RATE_SECONDS = 60

_BEHIND = PreparedQuery(f"""
    SELECT count(*) FILTER (WHERE is_own), min(occurred_at) FILTER (WHERE is_own), count(*)
    FROM (
        SELECT occurred_at, message_type LIKE ANY (%(patterns)s::text[])
            AND {IS_OF_PARTITION} AS is_own
        FROM audit_eventrecord
        WHERE (epoch, xid, position)
            > (%(epoch)s::int, %(xid)s::text::xid8, %(position)s::bigint)
        ORDER BY epoch, xid, position LIMIT {MOST_COUNTED}
    ) AS following
""")  # noqa: S608  # put together from constants


class Figures(NamedTuple):
    """The figures of one subscription.

    ``behind`` is the number of events that it has not handled yet, at least if ``is_cut``, and
    ``since`` the time of the first one. ``rate`` is in events a second, of about the last minute.
    """

    name: str
    is_declared: bool
    state: str
    partitions: int
    handled: int
    failed: int
    rate: float
    behind: int
    is_cut: bool
    since: datetime | None
    moved_at: datetime
    retrying: int
    waiting: int
    parked: int

    @property
    def lag(self) -> timedelta:
        """The age of the first event that it has not handled yet."""
        return max(timedelta(), timezone.now() - self.since) if self.since else timedelta()


def figures() -> list[Figures]:
    """Return the figures of every subscription that a worker has run, sorted by name."""
    states = Setback.State
    counted = Setback.objects.values("name").annotate(
        retrying=Count("event_id", filter=Q(state=states.RETRYING)),
        waiting=Count("event_id", filter=Q(state=states.WAITING)),
        parked=Count("event_id", filter=Q(state=states.PARKED)),
    )
    of_name: dict[str, Mapping[str, Any]] = {each["name"]: each for each in counted}
    checkpoints = Checkpoint.objects.order_by("name", "partition")
    return [
        _figures(name, list(group), of_name.get(name, {}))
        for name, group in groupby(checkpoints, key=lambda each: each.name)
    ]


def never_run() -> list[str]:
    """Return the names of subscriptions that no worker has run yet."""
    run = set(Checkpoint.objects.values_list("name", flat=True))
    return [each.name for each in subscriptions() if each.name not in run]


def first_setbacks() -> list[tuple[Setback, int]]:
    """Return the first event of each subject that was set aside, with how many wait behind it.

    Those that a person has to deal with come first; at most `MOST_LISTED`.
    """
    found = Setback.objects.exclude(state=Setback.State.WAITING)
    return [
        (setback, _waiting_behind(setback))
        for setback in found.order_by("state", "set_aside_at")[:MOST_LISTED]
    ]


def subject_of(setback: Setback) -> Subject:
    """Return the subject of the event."""
    return Subject(setback.subject_type, setback.subject_id)


def _figures(name: str, checkpoints: list[Checkpoint], setbacks: Mapping[str, Any]) -> Figures:
    subscription = find(name)
    patterns = like_patterns(subscription.message_types) if subscription else []
    behind = [_behind(each, patterns) for each in checkpoints]
    times = [since for _, since, _ in behind if since]
    states = Checkpoint.State
    is_running = any(each.state == states.RUNNING for each in checkpoints)
    return Figures(
        name=name,
        is_declared=subscription is not None,
        state=states.RUNNING if is_running else states.PAUSED,
        partitions=len(checkpoints),
        handled=sum(each.handled for each in checkpoints),
        failed=sum(each.failed for each in checkpoints),
        rate=math.fsum(map(_rate, checkpoints)),
        behind=sum(number for number, _, _ in behind),
        is_cut=any(read >= MOST_COUNTED for _, _, read in behind),
        since=min(times, default=None),
        moved_at=max(each.moved_at for each in checkpoints),
        retrying=setbacks.get("retrying", 0),
        waiting=setbacks.get("waiting", 0),
        parked=setbacks.get("parked", 0),
    )


def _behind(checkpoint: Checkpoint, patterns: Iterable[str]) -> tuple[int, datetime | None, int]:
    place = place_of(checkpoint)
    row = _BEHIND.first(
        {
            "patterns": list(patterns),
            "partitions": max(checkpoint.partitions, 1),
            "partition": checkpoint.partition,
            **place._asdict(),
        }
    )
    return (row[0], row[1], row[2]) if row else (0, None, 0)


def _rate(checkpoint: Checkpoint) -> float:
    age = (timezone.now() - checkpoint.moved_at).total_seconds()
    return checkpoint.rate * math.exp(-max(age, 0) / RATE_SECONDS)


def _waiting_behind(setback: Setback) -> int:
    return beside(setback).filter(number__gt=setback.number).count()
