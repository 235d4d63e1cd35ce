"""Simulation of the month, from its first day until now, with progress reports."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

from django.utils import timezone

from audit.log.feed import place_of
from audit.models.records import CommandRecord, EventRecord
from audit.models.subscriptions import Checkpoint
from audit.reactions import checkpoints
from audit.reactions.declarations import subscriptions
from config.demo import story
from config.demo.busy import cast, habits, scenes
from config.demo.busy.clock import clock_set_back
from config.demo.busy.stage import Stage

# Weights by hour of the day in UTC, and by day of the week from Monday.
_HOURS = (1, 1, 3, 1, 1, 2, 4, 12, 30, 44, 46, 38, 22, 30, 44, 42, 34, 22, 10, 6, 4, 3, 2, 1)
_WEEKDAYS = (1.1, 1.0, 1.05, 1.0, 0.8, 0.15, 0.1)


def play(
    report: Callable[[str], None],
    *,
    days: int = 30,
    pace: int = 70,
    end: datetime | None = None,
) -> None:
    """Play the days before the end, by default now, with about ``pace`` actions on each.

    The cast of the demo story is created first if it is missing, just before the month starts.
    """
    end = end or timezone.now() - timedelta(minutes=1)
    start = end - timedelta(days=days)
    with clock_set_back(start - timedelta(hours=1)), _in_silence():
        if not story.is_loaded():
            story.load()
        stage = Stage(start=start, end=end)
        cast.gather(stage)
        scenes.plan(stage)
        for number in range(days):
            day = start + timedelta(days=number)
            stage.at(day, partial(report, f"{day:%A, %d %B}: {number / days:.0%} played"))
            _plan_day(stage, day, pace)
        stage.play()
    report(f"{CommandRecord.objects.count():,} command attempts are in the log.")


def _plan_day(stage: Stage, day: datetime, pace: int) -> None:
    busy = _WEEKDAYS[day.weekday()] * stage.random.uniform(0.8, 1.2)
    for _ in range(round(pace * busy)):
        (hour,) = stage.random.choices(range(24), weights=_HOURS)
        seconds = timedelta(seconds=stage.random.uniform(0, 3600))
        moment = day.replace(hour=hour, minute=0, second=0) + seconds
        # The first day starts at the time of day of the month's start.
        stage.at(max(moment, stage.start + seconds), partial(habits.do_something, stage))


@contextmanager
def _in_silence() -> Iterator[None]:
    """Hide the errors of the simulated outage, and send no mail.

    The approvers' e-mails would be hundreds, of today, about weeks ago.
    """
    outside = [each for each in subscriptions() if each.outside]
    for each in outside:
        checkpoints.ensure(each)
    silenced = Checkpoint.objects.filter(name__in=[each.name for each in outside])
    silenced.update(state=Checkpoint.State.PAUSED)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        newest = EventRecord.objects.order_by("-epoch", "-xid", "-position")[0]
        silenced.update(state=Checkpoint.State.RUNNING, **place_of(newest)._asdict())
