"""What pages and the API cost the database at very many records: what benchmarks.pages measures."""

from benchmarks import pages as reading
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.results import Goal, Result

_MOST_MS = 50.0


def pages(measuring: Measuring) -> list[Result]:
    """Have the slowest of all pages stand for them."""
    figures = reading.measured(measuring.records)
    ratios = {name: both.many.median / both.few.median for name, both in figures.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    slowest = max(figures, key=lambda name: figures[name].many.p95)
    what = f"records, events, subject pages, searches at {measuring.records:,} records"
    return [
        Result(
            row="pages",
            goal=Goal(what, "at 10,000, as so many times the median", 1.5, 2.0, "less"),
            measured=ratios[worst],
            note=f"The worst of {len(figures)} pages: {worst}.",
        ),
        Result(
            row="pages",
            goal=Goal(f"{what}: p95", "of database time", _MOST_MS, _MOST_MS, "less", "ms"),
            measured=figures[slowest].many.p95,
            note=f"The slowest of {len(figures)} pages: {slowest}.",
        ),
    ]
