"""Bars over time, each a link, as a template draws them.

Sideways everything is in percent, so that a chart is as wide as there is room for, and its letters
are as large as all others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from audit.pages.charts.scales import TimeScale, ceiling

HEIGHT = 96
_TOP = 14
_MOST_TICKS = 6
_FILLED = 0.86
_LEAST_HEIGHT = 1.5

LinksTo = Callable[[datetime, datetime], str]


class Bar(NamedTuple):
    """One bar: where it is, where it leads, and what it says. Sizes are ready for SVG."""

    x: str
    width: str
    y: str
    height: str
    url: str
    when: str
    number: str
    is_empty: bool


class Tick(NamedTuple):
    """A mark of a scale."""

    at: str
    label: str


class Frame(NamedTuple):
    """What a chart is called, where its parts lead, and the class of their color."""

    name: str
    title: str
    links_to: LinksTo
    mark: str = "chart-mark"


class _Plot(NamedTuple):
    scale: TimeScale
    highest: int
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Numbers over time."""

    frame: Frame
    bars: list[Bar]
    times: list[Tick]
    heights: list[Tick]
    total: str

    @property
    def height(self) -> int:
        """How high the bars may be, with the room above them."""
        return HEIGHT + _TOP

    @property
    def axis_end(self) -> int:
        """How far down the marks of the scale of time go."""
        return self.height + 4

    @property
    def whole_height(self) -> int:
        """The same with the scale of time below it."""
        return self.height + 18


def bar_chart(counts: Sequence[int], scale: TimeScale, frame: Frame) -> BarChart:
    """Draw numbers, one for each stretch of the scale."""
    plot = _Plot(scale, ceiling(max(counts, default=0) or 1), frame)
    stretches = zip(pairwise(scale.edges), counts, strict=True)
    return BarChart(
        frame=frame,
        bars=[_bar(start, end, count, plot=plot) for (start, end), count in stretches],
        times=_times(scale),
        heights=[Tick(f"{_TOP}", f"{plot.highest:,}")],
        total=f"{sum(counts):,}",
    )


def stretch_in_words(start: datetime, end: datetime) -> str:
    """Write a stretch of time, no longer than needed."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    day = f"{start:%Y-%m-%d}"
    if start.time() == end.time() == start.min.time():
        return day if (end - start).days == 1 else f"{day} to {end:%Y-%m-%d}"
    layout = "%H:%M:%S" if start.second or end.second else "%H:%M"
    last = f"{end:{layout}}" if start.date() == end.date() else f"{end:%Y-%m-%d {layout}}"
    return f"{day} {start:{layout}} to {last}"


def _bar(start: datetime, end: datetime, count: int, *, plot: _Plot) -> Bar:
    left, right = plot.scale.share(start), plot.scale.share(end)
    height = max(_LEAST_HEIGHT, HEIGHT * count / plot.highest) if count else 0
    return Bar(
        x=f"{left * 100:.3f}%",
        width=f"{(right - left) * _FILLED * 100:.3f}%",
        y=f"{_TOP + HEIGHT - height:.1f}",
        height=f"{height:.1f}",
        url=plot.frame.links_to(start, end),
        when=stretch_in_words(start, end),
        number=f"{count:,}",
        is_empty=not count,
    )


def _times(scale: TimeScale) -> list[Tick]:
    inner = scale.edges[1:-1] or scale.edges[:1]
    every = -(-len(inner) // _MOST_TICKS)
    # What stands too far to the right would be cut off.
    shown = [edge for edge in inner[::every] if scale.share(edge) < 0.92]  # noqa: PLR2004
    return [Tick(f"{scale.share(edge) * 100:.3f}%", f"{edge:{scale.layout}}") for edge in shown]
