"""An export of the log, beside COPY of the same columns, and how much memory it takes."""

import multiprocessing
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.suite.growth import full_copy
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.progress import Progress
from benchmarks.suite.results import Figures, Goal, Result
from benchmarks.suite.stage import Stage

_ROWS, _QUICK_ROWS = 1_000_000, 50_000
_MOST_MB = 150.0


class _Run(NamedTuple):
    """The duration of one export, and the peak memory of its process."""

    seconds: float
    megabytes: float


def export(measuring: Measuring) -> list[Result]:
    """Export all of the log as CSV, and copy the same columns out, in a process of its own each."""
    rows = _QUICK_ROWS if measuring.is_quick else _ROWS
    rounds = 1 if measuring.is_quick else 3
    runs: dict[str, list[_Run]] = {"export": [], "COPY … TO STDOUT": []}
    with full_copy(measuring._replace(records=rows)) as full:
        progress = Progress("exports", total=rounds)
        for round_ in range(rounds):
            for name, found in runs.items():
                found.append(_in_a_process(full, name))
            progress.tell(round_ + 1)
    ours, copy = (_figures(name, found, rows) for name, found in runs.items())
    memory = max(run.megabytes for run in runs["export"])
    what = f"export of {rows:,} records"
    return [
        Result(
            row="export",
            goal=Goal(what, "COPY … TO STDOUT of the same columns", 0.3, 0.15),
            measured=ours.rate / copy.rate,
            sides=[ours, copy],
            note="As CSV, each command with its events. Rates are in rows per second.",
        ),
        Result(
            row="export",
            goal=Goal(
                f"{what}: memory", "of the process at most", _MOST_MB, _MOST_MB, "less", "MB"
            ),
            measured=memory,
        ),
    ]


def _figures(name: str, runs: list[_Run], rows: int) -> Figures:
    times = [run.seconds * 1000 for run in runs]
    return Figures.of(name, [rows / run.seconds for run in runs], times)


def _in_a_process(stage: Stage, name: str) -> _Run:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, stage, name), daemon=True)
    process.start()
    run: _Run = ours.recv()
    process.join()
    return run


def _work(pipe: Any, stage: Stage, name: str) -> None:
    from benchmarks.suite import worker  # noqa: PLC0415  # which sets Django up

    worker.set_up(stage)
    started = time.perf_counter()
    {"export": _export, "COPY … TO STDOUT": _copy}[name]()
    pipe.send(_Run(time.perf_counter() - started, _peak_megabytes()))


def _export() -> None:
    from audit.actors.actors import SYSTEM  # noqa: PLC0415  # models
    from audit.bus.context import Context  # noqa: PLC0415
    from audit.bus.dispatch import dispatch  # noqa: PLC0415
    from audit.log.commands import ExportRecords  # noqa: PLC0415
    from audit.log.search.criteria import Criteria  # noqa: PLC0415
    from audit.pages.exports.files import Export, Snapshot  # noqa: PLC0415

    criteria, snapshot = Criteria(tenants=None), Snapshot.now()
    command = ExportRecords(format="csv", search="", snapshot=str(snapshot))
    context = Context(actor=SYSTEM, channel="benchmark", reason="To measure")
    dispatch(command, context=context)
    source = "https://countersign.example/audit/"
    export = Export(
        command=command, criteria=criteria, snapshot=snapshot, source=source, context=context
    )
    for _ in export.content():
        pass


def _copy() -> None:
    from django.db import connection  # noqa: PLC0415

    from audit.pages.exports import formats  # noqa: PLC0415

    connection.ensure_connection()
    tables = {
        "audit_commandrecord": formats._COMMAND,  # noqa: SLF001  # the very same columns
        "audit_eventrecord": formats._EVENT,  # noqa: SLF001  # as above
    }
    cursor = connection.connection.cursor()
    for table, columns in tables.items():
        sql = f"COPY (SELECT {', '.join(columns)} FROM {table}) TO STDOUT WITH (FORMAT csv)"  # noqa: S608
        with cursor.copy(sql) as copy:
            for _ in copy:
                pass


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
