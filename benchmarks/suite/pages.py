"""What pages and the API cost the database at very many records: what benchmarks.pages measures."""

import multiprocessing
from importlib import import_module
from typing import Any

from benchmarks.suite.measuring import Measuring
from benchmarks.suite.results import Goal, Result

_MOST_MS = 50.0


def pages(measuring: Measuring) -> list[Result]:
    """Have the slowest of all pages stand for them."""
    few, many = _in_a_process(measuring.records)
    worst = max(many, key=lambda name: many[name].median / few[name].median)
    slowest = max(many, key=lambda name: many[name].p95)
    what = f"records, events, subject pages, searches at {measuring.records:,} records"
    return [
        Result(
            row="pages",
            goal=Goal(what, "at 10,000, as so many times the median", 1.5, 2.0, "less"),
            measured=many[worst].median / few[worst].median,
            note=f"The worst of {len(many)} pages: {worst}.",
        ),
        Result(
            row="pages",
            goal=Goal(f"{what}: p95", "of database time", _MOST_MS, _MOST_MS, "less", "ms"),
            measured=many[slowest].p95,
            note=f"The slowest of {len(many)} pages: {slowest}.",
        ),
    ]


def _in_a_process(records: int) -> Any:
    """Measure in another process, for it makes databases of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, records))
    process.start()
    measured = ours.recv()
    process.join()
    return measured


def _work(pipe: Any, records: int) -> None:
    pipe.send(import_module("benchmarks.pages").measured(records))
