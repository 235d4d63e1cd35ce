"""Heat maps of activity by day and hour, prepared for a template."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from audit.pages.charts.bars import Frame, Tick, range_title

HOURS = 24
_HOUR = timedelta(hours=1)
_ROW = 15
_GAP = 2
_TOP = 16
_LEFT = 13.0
_COLUMN = (100 - _LEFT) / HOURS
_WARMEST = 5


class Cell(NamedTuple):
    """One hour of one day."""

    x: str
    warmth: int
    url: str
    title: str
    number: str


class Row(NamedTuple):
    """One day."""

    label: str
    top: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """A heat map: one row per day, the newest first, with the hours from left to right."""

    frame: Frame
    rows: list[Row]
    hours: list[Tick]
    legend: list[str]
    total: str

    cell_width = f"{_COLUMN * 0.9:.3f}%"
    cell_height = _ROW - _GAP
    all_hours = tuple(f"{hour:02}" for hour in range(HOURS))

    @property
    def height(self) -> int:
        """The height of the map, including the labels of the hours."""
        return _TOP + _ROW * len(self.rows)


def heat_map(counts: Sequence[int], days: Sequence[datetime], frame: Frame) -> HeatMap:
    """Build a map of hourly numbers. ``days`` are the midnights around the days."""
    steps = _steps(max(counts, default=0))

    def cell(hour: int, start: datetime, count: int) -> Cell:
        end = start + _HOUR
        warmth = sum(count >= step for step in steps)
        url, title = frame.links_to(start, end), f"{range_title(start, end)}: {count:,}"
        return Cell(_x(hour), warmth, url, title, f"{count:,}")

    hourly = [counts[first : first + HOURS] for first in range(0, len(counts), HOURS)]
    by_day = zip(days[:-1], hourly, strict=True)
    rows = [
        Row(
            label=f"{day:%a %d}",
            top=_TOP + _ROW * number,
            cells=[cell(hour, day + _HOUR * hour, count) for hour, count in enumerate(of_day)],
        )
        for number, (day, of_day) in enumerate(reversed(list(by_day)))
    ]
    return HeatMap(
        frame=frame,
        rows=rows,
        hours=[Tick(_x(hour), f"{hour:02}") for hour in range(0, HOURS, 3)],
        legend=_legend(steps),
        total=f"{sum(counts):,}",
    )


def _x(hour: int) -> str:
    return f"{_LEFT + _COLUMN * hour:.3f}%"


def _steps(most: int) -> list[int]:
    """Return the lower limits of the levels, in even ratios, so that quiet hours differ, too."""
    steps = (round(max(most, 1) ** (level / _WARMEST)) for level in range(_WARMEST))
    return sorted(set(steps))


def _legend(steps: Sequence[int]) -> list[str]:
    """Return the numbers that each level stands for, as text."""
    ends = [*(step - 1 for step in steps[1:]), None]
    legend = ["none"]
    for start, end in zip(steps, ends, strict=True):
        words = f"{start:,} or more" if end is None else f"{start:,} to {end:,}"
        legend.append(f"{start:,}" if start == end else words)
    return legend
