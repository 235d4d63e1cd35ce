"""The agenda of the month: steps in order of time. A step may add later steps."""

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import TypeAlias

Step: TypeAlias = Callable[[], None]

_OPENS, _CLOSES = 8, 18
_FRIDAY = 4


class Agenda:
    """Steps with their times. Steps after the end are dropped."""

    def __init__(self, *, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self._steps: list[tuple[datetime, int, Step]] = []
        self._numbers = count()

    def at(self, moment: datetime, step: Step) -> None:
        if moment < self.end:
            heapq.heappush(self._steps, (moment, next(self._numbers), step))

    def part(self, share: float) -> datetime:
        """Return the office hours in which this share of the month has passed."""
        return office_hours(self.start + share * (self.end - self.start))

    def in_order(self) -> Iterator[tuple[datetime, Step]]:
        """Yield the steps one by one; each may add later steps."""
        while self._steps:
            moment, _, step = heapq.heappop(self._steps)
            yield moment, step


def office_hours(moment: datetime) -> datetime:
    """Return the time, moved to the next office hours if it is outside them."""
    if moment.hour >= _CLOSES:
        moment = _morning_after(moment)
    elif moment.hour < _OPENS:
        moment = moment.replace(hour=_OPENS)
    while moment.weekday() > _FRIDAY:
        moment = _morning_after(moment)
    return moment


def _morning_after(moment: datetime) -> datetime:
    return (moment + timedelta(days=1)).replace(hour=_OPENS)
