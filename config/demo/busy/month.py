"""Simulation of the month, from its first day until now, with progress reports."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.utils import timezone

from audit.models.records import CommandRecord
from config.demo import story
from config.demo.busy import cast, habits, incidents, open_requests
from config.demo.busy.agenda import Agenda, Step
from config.demo.busy.clock import clock_set_back, go_on_to
from config.demo.busy.stage import Stage

_SEED = "countersign"
# Weights by hour of the day in UTC, and by day of the week from Monday.
_HOURS = (1, 1, 3, 1, 1, 2, 4, 12, 30, 44, 46, 38, 22, 30, 44, 42, 34, 22, 10, 6, 4, 3, 2, 1)
_WEEKDAYS = (1.1, 1.0, 1.05, 1.0, 0.8, 0.15, 0.1)
_SECONDS_BETWEEN_REPORTS = 2.0


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
    agenda = Agenda(start=end - timedelta(days=days), end=end)
    with clock_set_back(agenda.start - timedelta(hours=1)), _in_silence():
        if not story.is_loaded():
            story.load()
        stage = Stage(agenda, seed=_SEED)
        cast.gather(stage)
        _plan(stage, days=days, pace=pace)
        for moment, step in _reported(agenda, report):
            go_on_to(moment)
            step()


def _plan(stage: Stage, *, days: int, pace: int) -> None:
    incidents.plan(stage)
    open_requests.plan(stage)
    for number in range(days):
        day = stage.agenda.start + timedelta(days=number)
        busy = _WEEKDAYS[day.weekday()] * stage.random.uniform(0.8, 1.2)
        for _ in range(round(pace * busy)):
            stage.agenda.at(_moment_of(day, stage), partial(habits.do_something, stage))


def _moment_of(day: datetime, stage: Stage) -> datetime:
    (hour,) = stage.random.choices(range(24), weights=_HOURS)
    seconds = stage.random.uniform(0, 3600)
    moment = day.replace(hour=hour, minute=0, second=0) + timedelta(seconds=seconds)
    # The first day starts at the time of day of the agenda's start.
    return max(moment, stage.agenda.start + timedelta(seconds=seconds))


def _reported(agenda: Agenda, report: Callable[[str], None]) -> Iterator[tuple[datetime, Step]]:
    """Yield the steps; report the day and the estimated remaining time now and then."""
    began = told = time.monotonic()
    for moment, step in agenda.in_order():
        now = time.monotonic()
        if now - told > _SECONDS_BETWEEN_REPORTS:
            told, done = now, (moment - agenda.start) / (agenda.end - agenda.start)
            left = (now - began) * (1 - done) / max(done, 0.01)
            report(f"{moment:%A, %d %B}: {done:.0%} played, about {left:.0f} seconds left")
        yield moment, step
    report(f"{CommandRecord.objects.count():,} command attempts are in the log.")


@contextmanager
def _in_silence() -> Iterator[None]:
    """Hide the errors of the simulated outage, and send no mail.

    The approvers' e-mails would be hundreds, of today, about weeks ago.
    """
    backend = settings.EMAIL_BACKEND
    logging.disable(logging.CRITICAL)
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        settings.EMAIL_BACKEND = backend
