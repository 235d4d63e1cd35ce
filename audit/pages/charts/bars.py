"""Bar charts over time and of ranks, prepared for a template. Each bar is a link.

Horizontal positions are in percent, so a chart fills the available width, and its text keeps the
normal size.
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

#: Returns the URL of what a time range contains; None is no limit.
LinksTo = Callable[[datetime | None, datetime | None], str]


class Bar(NamedTuple):
    """One bar: its geometry, as SVG attributes, its URL and its texts."""

    x: str
    width: str
    y: str
    height: str
    url: str
    when: str
    title: str
    number: str
    is_empty: bool


class Tick(NamedTuple):
    """A tick mark of a scale."""

    at: str
    label: str


class Frame(NamedTuple):
    """The name and title of a chart, the links of its parts, and the CSS class of their color."""

    name: str
    title: str
    links_to: LinksTo
    mark: str = "chart-mark"


class Count(NamedTuple):
    """A number with its label and a link to what it counts."""

    label: str
    number: int
    url: str


class RankBar(NamedTuple):
    """One bar, with its texts and its width in percent."""

    label: str
    number: str
    url: str
    width: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """A bar chart of numbers over time."""

    frame: Frame
    bars: list[Bar]
    times: list[Tick]
    highest: str
    total: str

    # The ends of the space above the bars, the plot, the tick marks and their labels.
    top = _TOP
    height = _TOP + HEIGHT
    axis_end = height + 4
    whole_height = height + 18


def bar_chart(counts: Sequence[int], scale: TimeScale, frame: Frame) -> BarChart:
    """Build a chart with one bar for each time range of the scale."""
    highest = ceiling(max(counts, default=0) or 1)

    def bar(start: datetime, end: datetime, count: int) -> Bar:
        left, right = scale.share(start), scale.share(end)
        height = max(_LEAST_HEIGHT, HEIGHT * count / highest) if count else 0
        return Bar(
            x=f"{left * 100:.3f}%",
            width=f"{(right - left) * _FILLED * 100:.3f}%",
            y=f"{_TOP + HEIGHT - height:.1f}",
            height=f"{height:.1f}",
            url=frame.links_to(start, end),
            when=range_label(start, end),
            title=f"{range_title(start, end)}: {count:,}",
            number=f"{count:,}",
            is_empty=not count,
        )

    return BarChart(
        frame=frame,
        bars=[bar(*ends, count) for ends, count in zip(pairwise(scale.edges), counts, strict=True)],
        times=_times(scale),
        highest=f"{highest:,}",
        total=f"{sum(counts):,}",
    )


def rank_bars(counts: Sequence[Count]) -> list[RankBar]:
    """Return one bar for each number, in the given order."""
    highest = max((each.number for each in counts), default=0) or 1
    return [
        RankBar(each.label, f"{each.number:,}", each.url, f"{100 * each.number / highest:.1f}%")
        for each in counts
    ]


def range_label(start: datetime, end: datetime) -> str:
    """Return a time range in its time zone as text, without parts that are not needed."""
    day = f"{start:%Y-%m-%d}"
    if start.time() == end.time() == start.min.time():
        return day if (end - start).days == 1 else f"{day} to {end:%Y-%m-%d}"
    layout = "%H:%M:%S" if start.second or end.second else "%H:%M"
    last = f"{end:{layout}}" if start.date() == end.date() else f"{end:%Y-%m-%d {layout}}"
    return f"{day} {start:{layout}} to {last}"


def range_title(start: datetime, end: datetime) -> str:
    """Return the tooltip of a time range: in its time zone, and in UTC."""
    local = range_label(start, end)
    in_utc = range_label(start.astimezone(UTC), end.astimezone(UTC))
    return f"{local} UTC" if local == in_utc else f"{local} ({in_utc} UTC)"


def _times(scale: TimeScale) -> list[Tick]:
    inner = scale.edges[1:-1] or scale.edges[:1]
    every = -(-len(inner) // _MOST_TICKS)
    # A label too far to the right would be cut off.
    shown = [edge for edge in inner[::every] if scale.share(edge) < 0.92]  # noqa: PLR2004
    return [Tick(f"{scale.share(edge) * 100:.3f}%", f"{edge:{scale.layout}}") for edge in shown]
