"""The transparency log: leaves per second, bytes per record, verification, and lag.

    python -m benchmarks.evidence [records] [seconds]

First the sequencer adds leaves for records of commands that are there, in batches as large as it
ever takes, and all of them are verified. Then `manage.py work` adds leaves while commands are sent,
and the lag is the time from the end of a command to the checkpoint that has its leaf.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from benchmarks import scratch

_RATE = 50
_STARTED_SECONDS = 60
_SIZE = """
    SELECT sum(pg_total_relation_size(name::regclass))::bigint
    FROM unnest(ARRAY['audit_leaf', 'audit_treenode', 'audit_signedcheckpoint']) AS name
"""
_LAG = """
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY lag),
        percentile_disc(0.99) WITHIN GROUP (ORDER BY lag), max(lag), count(*)
    FROM audit_commandrecord AS record JOIN audit_leaf AS leaf USING (position)
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM signed_at - received_at)::float8 - duration_us / 1e6 AS lag
        FROM audit_signedcheckpoint AS signed
        WHERE signed.log = leaf.log AND signed.size > leaf."index" ORDER BY size LIMIT 1
    ) AS signed
    WHERE record.received_at >= %s
"""


def main(records: int = 50_000, seconds: int = 20) -> None:
    """Measure and print."""
    with scratch.database("countersign_evidence"):
        _print_rate(records)
        _print_verification()
        _print_lag(seconds)


def _print_rate(records: int) -> None:
    from audit.evidence.appending.sequencer import BATCH, add_leaves  # noqa: PLC0415  # once Django is set up
    from audit.log.feed import Place, horizon  # noqa: PLC0415  # as above

    _send()
    _copy(records)
    # With the leaf of the log itself, and whatever has to be imported and planned.
    add_leaves(before=horizon(Place()).place, limit=10)
    added, end = 0, horizon(Place()).place
    began, own = time.perf_counter(), time.process_time()
    while number := add_leaves(before=end):
        added += number
    rate = added / (time.perf_counter() - began)
    cost = (time.process_time() - own) / added * 1e6
    (size,) = _ask(_SIZE)
    _show(
        f"{added} records in batches of {BATCH}: {rate:,.0f} leaves per second, "
        f"{cost:.0f} µs of processor time each",
        goal="5,000",
    )
    _show(f"{size / (added + 10):.0f} bytes per record, indexes included", goal="at most 220")


def _print_verification() -> None:
    from audit.evidence.verification.comparison import compare  # noqa: PLC0415  # once Django is set up

    began, records, differences = time.perf_counter(), 0, 0
    for part in compare():
        records, differences = records + part.records, differences + len(part.problems)
    seconds = time.perf_counter() - began
    _show(
        f"{records} leaves verified in {seconds:.0f} s, {records / seconds:,.0f} per second: "
        f"{differences} differences",
        goal="1,000,000 in 180 s, which are 5,556 per second",
    )


def _copy(records: int) -> None:
    """Insert copies of the record of a command: its entry is larger than that of an event."""
    from django.db import connections  # noqa: PLC0415  # once Django is set up

    from audit.models.records import CommandRecord  # noqa: PLC0415  # as above

    generated = {"position", "xid", "command_id"}
    fields = CommandRecord._meta.concrete_fields
    columns = ", ".join(each.column for each in fields if each.column not in generated)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_commandrecord (command_id, {columns})"  # noqa: S608  # names of columns
            f" SELECT gen_random_uuid(), {columns} FROM (SELECT * FROM audit_commandrecord"
            " ORDER BY position DESC LIMIT 1) AS copied, generate_series(1, %s)",
            [records],
        )


def _print_lag(seconds: int) -> None:
    from django.conf import settings  # noqa: PLC0415  # once Django is set up
    from django.db import connection  # noqa: PLC0415  # as above

    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"]
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "work", "evidence"],
        cwd=Path(settings.BASE_DIR),
        env=os.environ | {"DATABASE_URL": url.replace("/countersign?", f"/{name}?")},
    )
    try:
        _until_working()
        (began_at,) = _ask("SELECT clock_timestamp()")
        started = time.monotonic()
        for number in range(seconds * _RATE):
            time.sleep(max(0.0, started + number / _RATE - time.monotonic()))
            _send()
        time.sleep(2)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    median, p99, longest, number = _ask(_LAG, began_at)
    _show(
        f"lag of {number} commands, {_RATE} a second: median {median:.2f} s, p99 {p99:.2f} s, "
        f"longest {longest:.2f} s",
        goal="p99 of at most 2 s",
    )


def _until_working() -> None:
    """Send commands until the worker has added the leaves of one."""
    end = time.monotonic() + _STARTED_SECONDS
    (before,) = _ask("SELECT count(*) FROM audit_signedcheckpoint")
    while _ask("SELECT count(*) FROM audit_signedcheckpoint") == (before,):
        if time.monotonic() > end:
            raise TimeoutError
        _send()
        time.sleep(0.1)


def _send() -> None:
    """Send a command with one event."""
    from apikeys.commands import CreateCustomer  # noqa: PLC0415  # once Django is set up
    from audit.actors.actors import SYSTEM  # noqa: PLC0415  # as above
    from audit.bus.context import Context  # noqa: PLC0415  # as above
    from audit.bus.dispatch import dispatch  # noqa: PLC0415  # as above

    command = CreateCustomer(name=f"Customer {time.monotonic_ns()}")
    dispatch(command, context=Context(actor=SYSTEM, channel="benchmark", reason="Measurement"))


def _ask(sql: str, *values: Any) -> Any:
    from django.db import connection  # noqa: PLC0415  # once Django is set up

    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()


def _show(figure: str, *, goal: str) -> None:
    sys.stdout.write(f"{figure} (goal: {goal})\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
