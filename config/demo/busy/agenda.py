"""What happens in the month, in the order of time: who acts may put more on the agenda."""

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import TypeAlias

Step: TypeAlias = Callable[[], None]

_OPENS, _CLOSES = 8, 18
_FRIDAY = 4


class Agenda:
    """Steps with their moments. What would come after the end does not happen, or not yet."""

    def __init__(self, *, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self._steps: list[tuple[datetime, int, Step]] = []
        self._numbers = count()

    def at(self, moment: datetime, step: Step) -> None:
        """Put a step on the agenda."""
        if moment < self.end:
            heapq.heappush(self._steps, (moment, next(self._numbers), step))

    def part(self, share: float) -> datetime:
        """Tell the moment at which this share of the month is over."""
        return self.start + share * (self.end - self.start)

    def in_order(self) -> Iterator[tuple[datetime, Step]]:
        """Take the steps one by one; each may add steps that come later."""
        while self._steps:
            moment, _, step = heapq.heappop(self._steps)
            yield moment, step


def office_hours(moment: datetime) -> datetime:
    """Move a moment into the next hours at which people are at their desks."""
    if moment.hour >= _CLOSES:
        moment = _morning_after(moment)
    elif moment.hour < _OPENS:
        moment = moment.replace(hour=_OPENS)
    while moment.weekday() > _FRIDAY:
        moment = _morning_after(moment)
    return moment


def _morning_after(moment: datetime) -> datetime:
    return (moment + timedelta(days=1)).replace(hour=_OPENS)
