"""Rank charts: horizontal bars with labels and numbers, prepared for a template."""

from collections.abc import Sequence
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


def rank_bars(counts: Sequence[Count]) -> list[RankBar]:
    """Return one bar for each number, in the given order."""
    highest = max((each.number for each in counts), default=0) or 1
    return [
        RankBar(each.label, f"{each.number:,}", each.url, f"{100 * each.number / highest:.1f}%")
        for each in counts
    ]
