"""Bars below each other, each with its name and number, as a template draws them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Count(NamedTuple):
    """How many there are of something, and where they are found."""

    label: str
    number: int
    url: str


class RankBar(NamedTuple):
    """One of the bars."""

    label: str
    number: str
    url: str
    width: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RankChart:
    """Numbers of several things."""

    name: str
    title: str
    bars: list[RankBar]


def rank_chart(counts: Iterable[Count], *, name: str, title: str) -> RankChart:
    """Draw numbers in the order in which they come."""
    counts = list(counts)
    highest = max((each.number for each in counts), default=0) or 1
    bars = [
        RankBar(each.label, f"{each.number:,}", each.url, f"{100 * each.number / highest:.1f}%")
        for each in counts
    ]
    return RankChart(name=name, title=title, bars=bars)
