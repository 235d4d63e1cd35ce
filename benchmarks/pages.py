"""The cost of reading a log of ten million commands, compared with one of ten thousand.

    python -m benchmarks.pages [records] [--keep] [--only "search field"]

Each page is read as its reader does, over HTTP, twenty times, each time for another record of the
log; what is printed is the time that all queries of the page took. The two logs take turns page by
page, so what else the machine does meets both alike. Where the short log has less to show, only
the long one's time is judged: a full page takes longer than an empty one.

Ten million records are made in about a quarter of an hour and take about 20 GB; with ``--keep``
they stay for the next run.
"""

import argparse
import logging
import math
import multiprocessing
import os
import statistics
import sys
from typing import TYPE_CHECKING, NamedTuple

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.test import override_settings

from benchmarks import scratch
from benchmarks.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from benchmarks.log import Example, Log
    from benchmarks.reading import Reading

_ROUNDS = 20
_FEW = 10_000
_MOST_MS = 50.0
_MOST_TIMES = 2.0
_HARDLY_FEWER = 10
_PLAIN_STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}


class _Figures(NamedTuple):
    queries: int
    rows: float
    median: float
    p95: float


def main(records: int = 10_000_000, *, is_kept: bool = False, only: str = "") -> None:
    """Measure and print."""
    sys.stdout.write(as_text(measured(records, is_kept=is_kept, only=only), records))


def measured(records: int, *, is_kept: bool = False, only: str = "") -> dict[str, "_Both"]:
    """Measure every page whose name contains a text, with few records in the log, and with many."""
    few, many = _Side(_FEW, is_kept=False), _Side(records, is_kept=is_kept)
    try:
        names = [each for each in many.names if only in each]
        return {name: _Both(few.figures(name), many.figures(name)) for name in names}
    finally:
        few.stop()
        many.stop()


class _Both(NamedTuple):
    """A page with few records in the log, and with many."""

    few: _Figures
    many: _Figures

    @property
    def ratio(self) -> float:
        return self.many.median / self.few.median

    @property
    def shows_as_much(self) -> bool:
        """True if few records fill the page as well as many do."""
        return self.many.rows - self.few.rows <= _HARDLY_FEWER


def as_text(figures: dict[str, _Both], records: int) -> str:
    """Write a line for each page."""
    head = f"{'queries':>8}{f'{_FEW:,}':>10}{f'{records:,}':>12}{'p95':>8}{'ratio':>8}"
    lines = [_line(name, both) for name, both in figures.items()]
    return f"\nDatabase ms of a page, medians of {_ROUNDS}\n{'':56}{head}\n{''.join(lines)}"


class _Side:
    """A log of N records, read in a process of its own: a process has one database."""

    def __init__(self, records: int, *, is_kept: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_read_on_demand, args=(theirs, records, is_kept))
        self._process.start()
        theirs.close()
        # It sends them once its log is ready.
        self.names: list[str] = self._pipe.recv()

    def figures(self, name: str) -> _Figures:
        """Read a page in the other process."""
        self._pipe.send(name)
        found: _Figures = self._pipe.recv()
        return found

    def stop(self) -> None:
        """Drop its database, unless it is kept."""
        self._pipe.send(None)
        self._process.join()


def _read_on_demand(pipe: "Connection", records: int, is_kept: bool) -> None:  # noqa: FBT001  # a process is given its arguments by place
    # A line for each page read would be most of what is printed.
    logging.disable()
    with scratch.database(f"countersign_log_{records}", is_kept=is_kept):
        # Its models can be imported once Django is set up.
        from benchmarks.auditors_pages import pages  # noqa: PLC0415
        from benchmarks.log import Log  # noqa: PLC0415

        log = Log(records)
        if not log.is_made():
            _make(log)
        sys.stderr.write(f"{records:,} records: {log.size()}\n")
        # The files that pages refer to need not have been collected.
        with override_settings(STORAGES=_PLAIN_STORAGES):
            readers, examples = dict(pages(log)), log.examples(_ROUNDS + 1)
            pipe.send(list(readers))
            for name in iter(pipe.recv, None):
                pipe.send(_figures_of(readers[name], examples))


def _make(log: "Log") -> None:
    log.write_customers()
    log.drop_indexes()
    report("records", log.write(), total=log.records)
    report("indexes", log.make_indexes(), total=log.number_of_indexes())
    log.write_changes()
    log.settle()


def _figures_of(read: "Callable[[Example], Reading]", examples: "list[Example]") -> _Figures:
    """Sum up all but the first reading, which has statements to prepare and pages to load."""
    from benchmarks.reading import NotAnswered  # noqa: PLC0415  # as above

    try:
        readings = [read(example) for example in examples][1:]
    except NotAnswered as error:
        sys.stderr.write(f"{error}\n")
        return _Figures(0, 0, math.inf, math.inf)
    times = [reading.milliseconds for reading in readings]
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    rows = statistics.fmean(reading.rows for reading in readings)
    return _Figures(readings[-1].queries, rows, statistics.median(times), p95)


def _line(name: str, both: _Both) -> str:
    few, many = both.few, both.many
    marks = [f"over {_MOST_MS:.0f} ms"] if many.p95 > _MOST_MS else []
    if not both.shows_as_much:
        marks.append(f"{few.rows:.0f} rows there, {many.rows:.0f} here")
    elif both.ratio > _MOST_TIMES:
        marks.append(f"over {_MOST_TIMES:.0f} times")
    times = f"{few.median:10.2f}{many.median:12.2f}{many.p95:8.2f}{both.ratio:8.2f}"
    numbers = f"{many.queries:8}{times}"
    return f"{name:56}{numbers}  {', '.join(marks)}".rstrip() + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages")
    parser.add_argument("records", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--keep", action="store_true", help="keep the log for the next run")
    parser.add_argument("--only", default="", help="a part of the names of the pages to read")
    asked = parser.parse_args()
    main(asked.records, is_kept=asked.keep, only=asked.only)
