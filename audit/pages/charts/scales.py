"""Scales of charts: round times and round numbers."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

MOST_BARS = 60
_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3600, 86400
_STEPS = (
    *(_SECOND * each for each in (1, 5, 15)),
    *(_MINUTE * each for each in (1, 5, 15, 30)),
    *(_HOUR * each for each in (1, 3, 6, 12)),
    *(_DAY * each for each in (1, 7)),
)
_MONTHS = (1, 3, 12, 60, 600, 2400)
_MONTHS_OF_A_YEAR = 12
# A Monday, so that weeks begin on Mondays.
_ORIGIN = datetime(1970, 1, 5)  # noqa: DTZ001  # in the time zone of the chart


class TimeScale(NamedTuple):
    """Time ranges between edges; only the first and the last may be shorter than a step."""

    edges: list[datetime]
    layout: str

    def share(self, moment: datetime) -> float:
        """Return the share of the span that is before a time, from 0 to 1."""
        return (moment - self.edges[0]) / (self.edges[-1] - self.edges[0])


def time_scale(since: datetime, until: datetime, *, most: int = MOST_BARS) -> TimeScale:
    """Divide a span at round times of its time zone, into ``most`` ranges or a few more."""
    span = (until - since).total_seconds()
    step = next((each for each in _STEPS if span / each <= most), None)
    if step is None:
        months = span / _DAY / 30.44
        month_step = next((each for each in _MONTHS if months / each <= most), _MONTHS[-1])
        cut: Iterator[datetime] = _months(since, until, step=month_step)
        layout = "%b %Y"
    else:
        cut = _rounds(since, until, step=timedelta(seconds=step))
        layout = _layout(step, span)
    return TimeScale([*_existing([since, *cut]), until], layout)


def days(until: datetime, *, number: int) -> list[datetime]:
    """Return the midnights around ``number`` days, of which the last contains ``until``.

    The days are those of its time zone, so that they can have more or fewer than 24 hours.
    """
    last = until.replace(hour=0, minute=0, second=0, microsecond=0)
    return [last + timedelta(days=each) for each in range(1 - number, 2)]


def ceiling(number: int) -> int:
    """Return the next round number: 1, 2 or 5 times a power of ten."""
    rounds = (digit * int(10**zeros) for zeros in count() for digit in (1, 2, 5))
    return next(each for each in rounds if each >= number)


def _existing(edges: Iterable[datetime]) -> Iterator[datetime]:
    """Yield increasing times: where clocks are set forward, some of the given ones do not exist."""
    last = None
    for edge in edges:
        instant = edge.astimezone(UTC)
        if last is None or instant > last:
            yield instant.astimezone(edge.tzinfo)
            last = instant


def _rounds(since: datetime, until: datetime, *, step: timedelta) -> Iterator[datetime]:
    rest = step - (since.replace(tzinfo=None) - _ORIGIN) % step
    # Adding beyond the end could overflow the calendar.
    while until - since > rest:
        since += rest
        yield since
        rest = step


def _months(since: datetime, until: datetime, *, step: int) -> Iterator[datetime]:
    number = since.year * _MONTHS_OF_A_YEAR + since.month - 1
    last = until.year * _MONTHS_OF_A_YEAR + until.month - 1
    for month in range(number + step - number % step, last + 1, step):
        year, month_of_year = divmod(month, _MONTHS_OF_A_YEAR)
        moment = datetime(year, month_of_year + 1, 1, tzinfo=since.tzinfo)
        if moment < until:
            yield moment


def _layout(step: int, span: float) -> str:
    if step >= _DAY:
        return "%d %b"
    if span > _DAY:
        return "%d %b %H:%M"
    return "%H:%M:%S" if step < _MINUTE else "%H:%M"
