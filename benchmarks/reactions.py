"""Event handlers beside procrastinate, a queue of jobs on PostgreSQL: one INSERT for each.

    python -m benchmarks.reactions [events]

One process, with the same effect, in turns, so what else the machine does meets both alike. Jobs
are deferred beforehand and not timed, as are the commands. Then the lag of an event handler at 50
commands a second, and the share of a core that an idle worker takes.
"""

import asyncio
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event as Stop
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from benchmarks import scratch

_BATCHES = (100, 1)
_LARGEST_COMMAND = 100
_TURNS = 3
_LAG_SECONDS, _RATE, _IDLE_SECONDS = 10, 50, 10
_TABLE = """
    CREATE TABLE effect (id uuid, at timestamptz DEFAULT clock_timestamp());
    GRANT ALL ON effect TO PUBLIC
"""


def main(events: int = 1000) -> None:
    """Measure and print."""
    with scratch.database():
        from django.db import connections  # noqa: PLC0415  # once Django is set up

        with connections["owner"].cursor() as cursor:
            cursor.execute(_TABLE)
        emit = _declare()
        jobs = _Jobs()
        write = sys.stdout.write
        for batch in _BATCHES:
            number = events if batch > 1 else max(events // 5, 10)
            turns = [
                (_rate_of_handlers(emit, batch, number), jobs.rate(number)) for _ in range(_TURNS)
            ]
            ours, theirs = (statistics.median(rates) for rates in zip(*turns, strict=True))
            write(
                f"batches of {batch:>3}: {ours:,.0f} events a second, procrastinate {theirs:,.0f}: "
                f"ratio {ours / theirs:.1f}\n"
            )
        connections.close_all()
        _measure_worker(emit, write)


def _declare() -> Callable[[int], None]:
    """Declare a command that emits events; return the function that sends it."""
    from audit.actors.actors import SYSTEM  # noqa: PLC0415  # once Django is set up
    from audit.domain import (  # noqa: PLC0415  # once Django is set up
        Command,
        Context,
        Event,
        SubjectOf,
        dispatch,
        handles,
    )

    @dataclass(frozen=True, kw_only=True)
    class Happened(Event):
        """Something happened."""

        message_type = "benchmark.happened"
        subject = SubjectOf("thing", "thing_id")
        thing_id: str

    @dataclass(frozen=True, kw_only=True)
    class Cause(Command):
        """Cause events."""

        message_type = "benchmark.cause"
        number: int

    @handles(Cause)
    def cause(command: Cause, context: Context) -> None:
        for each in range(command.number):
            context.emit(Happened(thing_id=f"{context.command_id}/{each}"))

    def emit(number: int) -> None:
        for start in range(0, number, _LARGEST_COMMAND):
            command = Cause(number=min(_LARGEST_COMMAND, number - start))
            dispatch(command, context=Context(actor=SYSTEM))

    return emit


def _insert(_: Any, delivery: Any) -> None:
    from django.db import connection  # noqa: PLC0415  # once Django is set up

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO effect (id) VALUES (%s)", [delivery.id])


def _follower(batch: int) -> Any:
    """Return a follower of a new subscription, from now on."""
    from audit.reactions.declarations import Subscription  # noqa: PLC0415  # once Django is set up
    from audit.reactions.workers import Follower  # noqa: PLC0415  # once Django is set up

    subscription = Subscription(
        name=f"benchmark.{batch}.{time.monotonic_ns()}",
        message_types=("benchmark.happened",),
        function=_insert,
        batch=batch,
    )
    follower = Follower([subscription])
    while follower.turn():
        pass
    return follower


def _rate_of_handlers(emit: Callable[[int], None], batch: int, events: int) -> float:
    follower = _follower(batch)
    emit(events)
    before = _effects()
    started = time.perf_counter()
    while follower.turn() or _effects() - before < events:
        pass
    return events / (time.perf_counter() - started)


def _effects() -> int:
    from django.db import connection  # noqa: PLC0415  # once Django is set up

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM effect")
        return int(cursor.fetchone()[0])


class _Jobs:
    """Jobs of procrastinate with the same effect, one at a time, which is its default."""

    def __init__(self) -> None:
        import procrastinate  # noqa: PLC0415  # only in the environment of benchmarks
        import psycopg  # noqa: PLC0415  # as above
        from django.db import connections  # noqa: PLC0415  # once Django is set up

        given = connections["owner"].get_connection_params()
        names = ("host", "port", "user", "password", "dbname")
        where = {name: given[name] for name in names if given.get(name)}
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector(kwargs=where))
        self._where = where
        self._app.task(name="insert")(self._insert)
        # It logs each job twice.
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        self._effects: psycopg.AsyncConnection[Any] | None = None
        asyncio.run(self._prepare())

    def rate(self, jobs: int) -> float:
        """Return the jobs that a worker does in a second."""
        return asyncio.run(self._rate(jobs))

    async def _prepare(self) -> None:
        async with self._app.open_async():
            await self._app.schema_manager.apply_schema_async()

    async def _insert(self, key: str) -> None:
        if self._effects is None:
            raise RuntimeError
        await self._effects.execute("INSERT INTO effect (id) VALUES (%s)", [key])

    async def _rate(self, jobs: int) -> float:
        import uuid  # noqa: PLC0415  # beside its only use

        import psycopg  # noqa: PLC0415  # only in the environment of benchmarks

        async with (
            self._app.open_async(),
            await psycopg.AsyncConnection.connect(**self._where, autocommit=True) as self._effects,
        ):
            task = self._app.tasks["insert"]
            await task.batch_defer_async(*({"key": str(uuid.uuid4())} for _ in range(jobs)))
            started = time.perf_counter()
            await self._app.run_worker_async(wait=False, install_signal_handlers=False)
            return jobs / (time.perf_counter() - started)


def _work(batch: int) -> None:
    """Follow the log in a process of its own, until it is ended."""
    from audit.reactions import declarations, workers  # noqa: PLC0415  # once Django is set up

    name = "benchmark.lag"
    declarations.reacts_to("benchmark.happened", name=name, batch=batch)(_insert)
    workers.work({name}, stop=Stop())


def _measure_worker(emit: Callable[[int], None], write: Callable[[str], Any]) -> None:
    worker = get_context("fork").Process(target=partial(_work, 100), daemon=True)
    worker.start()
    try:
        time.sleep(3)
        before = _cpu_seconds(worker.pid)
        time.sleep(_IDLE_SECONDS)
        idle = (_cpu_seconds(worker.pid) - before) / _IDLE_SECONDS
        started = time.monotonic()
        for number in range(_LAG_SECONDS * _RATE):
            time.sleep(max(0.0, started + number / _RATE - time.monotonic()))
            emit(1)
        time.sleep(3)
    finally:
        worker.terminate()
    lags = _lags()
    p50, p99 = statistics.median(lags), statistics.quantiles(lags, n=100)[98]
    write(f"lag at {_RATE} commands a second: median {p50:.0f} ms, p99 {p99:.0f} ms\n")
    write(f"an idle worker takes {idle:.2%} of a core\n")


def _lags() -> list[float]:
    from django.db import connection  # noqa: PLC0415  # once Django is set up

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM at - occurred_at)::float8 * 1000 FROM effect"
            " JOIN audit_eventrecord USING (id) ORDER BY position DESC LIMIT %s",
            [_LAG_SECONDS * _RATE],
        )
        return [lag for (lag,) in cursor.fetchall()]


def _cpu_seconds(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
