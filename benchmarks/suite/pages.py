"""The cost of pages and the API for the database at very many records, by benchmarks.pages."""

import statistics
import sys

from benchmarks import pages as reading
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.results import Goal, Result

_MOST_MS = 50.0
_GOAL, _LEAST = 1.5, 2.0


def pages(measuring: Measuring) -> list[Result]:
    """Return the median and the worst of all pages."""
    figures = reading.measured(measuring.records)
    sys.stdout.write(reading.as_text(figures, measuring.records))
    ratios = {name: both.ratio for name, both in figures.items() if both.shows_as_much}
    less = {name: both.ratio for name, both in figures.items() if not both.shows_as_much}
    worst = max(ratios, key=lambda name: ratios[name])
    slowest = max(figures, key=lambda name: figures[name].many.p95)
    what = f"records, events, subject pages, searches at {measuring.records:,} records"
    within = {most: sum(ratio <= most for ratio in ratios.values()) for most in (_GOAL, _LEAST)}
    quick = sum(both.many.p95 < _MOST_MS for both in figures.values())
    return [
        _times(
            f"{what}: the middle page",
            statistics.median(ratios.values()),
            f"{within[_GOAL]} of {len(ratios)} pages take at most {_GOAL} times as long, "
            f"{within[_LEAST]} at most {_LEAST} times. {_of_those_with(less)}",
        ),
        _times(f"{what}: the worst page", ratios[worst], f"This page: {worst}."),
        Result(
            row="pages",
            goal=Goal(f"{what}: p95", "of database time", _MOST_MS, _MOST_MS, "less", "ms"),
            measured=figures[slowest].many.p95,
            note=f"{quick} of {len(figures)} pages are below; the slowest: {slowest}.",
        ),
    ]


def _of_those_with(less: dict[str, float]) -> str:
    if not less:
        return ""
    worst = max(less, key=lambda name: less[name])
    return (
        f"{len(less)} more show fewer records in the short log, so only their p95 counts; with a "
        f"full page in the long log, they take up to {less[worst]:.2f} times as long ({worst})."
    )


def _times(what: str, measured: float, note: str) -> Result:
    goal = Goal(what, "at 10,000, as so many times the median", _GOAL, _LEAST, "less")
    return Result(row="pages", goal=goal, measured=measured, note=note)
