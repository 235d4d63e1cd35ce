"""Rank charts: horizontal bars with labels and numbers, prepared for a template."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


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
class RankChart:
    """A chart that compares numbers."""

    name: str
    title: str
    bars: list[RankBar]


def rank_chart(counts: Iterable[Count], *, name: str, title: str) -> RankChart:
    """Build a chart with one bar per number, in the given order."""
    counts = list(counts)
    highest = max((each.number for each in counts), default=0) or 1
    bars = [
        RankBar(each.label, f"{each.number:,}", each.url, f"{100 * each.number / highest:.1f}%")
        for each in counts
    ]
    return RankChart(name=name, title=title, bars=bars)
