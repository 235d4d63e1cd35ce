"""Measure all that is promised, or some rows of it.

make bench                          # all, some hours with ten million records
make bench QUICK=1                  # some minutes, with a log of 100,000
make bench ROWS="write dispatch"    # two rows
"""

import argparse
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.suite import (
    approving,
    dispatching,
    exporting,
    growth,
    memory,
    pages,
    picture,
    reads,
    report,
    results,
    stage,
    writes,
)
from benchmarks.suite.machine import machine
from benchmarks.suite.measuring import Measuring

_ROWS: dict[str, Callable[[Measuring], list[results.Result]]] = {
    "write": writes.write,
    "rivals": writes.rivals,
    "dispatch": dispatching.alone,
    "commanded": dispatching.commanded,
    "stream": growth.stream,
    "log": growth.log,
    "read": reads.read,
    "authentication": reads.authentication,
    "export": exporting.export,
    "memory": memory.memory,
    # It makes a policy, which the rows above would be subject to.
    "held": approving.held,
    "pages": pages.pages,
}
_RECORDS, _FEW_RECORDS = 10_000_000, 100_000


def main(description: str) -> None:
    """Measure, print, and write the page and the chart."""
    asked = _arguments(description)
    with stage.staged() as on:
        # A line for each request would be most of what is measured.
        logging.disable()
        measuring = Measuring(on, asked.quick, asked.records)
        about = machine()
        for name in [row for row in _ROWS if row in (asked.rows or _ROWS)]:
            _keep(_ROWS[name](measuring), about, is_quick=asked.quick)


def _keep(found: list[results.Result], about: dict[str, str], *, is_quick: bool) -> None:
    """Print the result of a row, and replace its earlier result."""
    sys.stdout.write(report.as_text(found))
    sys.stdout.flush()
    at = f"{datetime.now(UTC):%Y-%m-%d}{', quick' if is_quick else ''}"
    measured = {each.row for each in found}
    before = {key: each for key, each in results.load().items() if each.row not in measured}
    known = before | {results.key_of(each): replace(each, at=at) for each in found}
    ordered = dict(sorted(known.items(), key=lambda item: list(_ROWS).index(item[1].row)))
    results.save(ordered, about)
    report.write_page(ordered, about)
    picture.draw(list(ordered.values()))


def _arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.suite",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="row", help=f"all, or: {', '.join(_ROWS)}")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--records", type=int, help="how long the log is where it is long")
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(_ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    asked.records = asked.records or (_FEW_RECORDS if asked.quick else _RECORDS)
    return asked
