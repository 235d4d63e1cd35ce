"""The cost of authentication, with many keys and under load.

    python -m benchmarks.authentication [rounds] [keys]

Three parts, each measured turn by turn in one run, so what else the machine does meets all alike:
a table of many keys against one of a thousand; the rate limit; and what noting the last use takes
of the throughput of eight clients on one key. Beside other packages, `make bench` measures it.
"""

import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import TYPE_CHECKING

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.db import connection, connections
from django.test import override_settings

from benchmarks import scratch
from config.first_run import preparing

if TYPE_CHECKING:
    from benchmarks.keyring import Keyring

_FEW = 1000
_NO_END = (1_000_000, 1)
_CLIENTS = 8
# Many short windows: what else the machine does changes from second to second.
_PAIRS = 300
_WINDOW_SECONDS = 0.1
_ADDRESS = "192.0.2.1"
_LARGE = "countersign_benchmark_large"

Work = Callable[[], object]
Times = dict[str, list[float]]


def main(rounds: int = 3000, keys: int = 1_000_000) -> None:
    """Measure and print."""
    preparing.prepare()
    # What is measured is how long it takes, not when it stops.
    with scratch.database(), override_settings(RATE_LIMIT_PER_KEY=_NO_END):
        logging.disable()
        # Its models can be imported once Django is set up.
        from benchmarks.keyring import Keyring  # noqa: PLC0415

        keyring = Keyring("measured", known=_FEW - 1)
        ask = _asking(keyring)
        # As in a service that has been running: with rows of the limits, and statistics on them.
        for _ in keyring.secrets:
            ask()
        _settle()
        with _large_copy(keyring, keys) as on_large:
            _print_table_sizes(keyring, on_large, rounds=rounds, keys=keys)
        _print_rate_limit(keyring, rounds=rounds)
        _print_last_use(keyring)


def _print_table_sizes(keyring: "Keyring", on_large: Work, *, rounds: int, keys: int) -> None:
    small, large = f"{_FEW:,} keys in all", f"{keys:,} keys, {_FEW:,} of them the customer's"
    times = _interleaved({small: _asking(keyring), large: on_large}, rounds=rounds)
    _headline("Authentication alone: how many keys there are")
    change = statistics.median(times[large]) / statistics.median(times[small]) - 1
    _line(small, times[small])
    _line(large, times[large], f"median {change:+.1%}")


def _print_rate_limit(keyring: "Keyring", *, rounds: int) -> None:
    limits = {
        "no limit, so a plain SELECT": (None, None),
        "failed attempts limited": (None, settings.RATE_LIMIT_FAILED_ATTEMPTS),
        "keys limited as well": (
            settings.RATE_LIMIT_PER_KEY,
            settings.RATE_LIMIT_FAILED_ATTEMPTS,
        ),
    }

    def set_to(name: str) -> None:
        settings.RATE_LIMIT_PER_KEY, settings.RATE_LIMIT_FAILED_ATTEMPTS = limits[name]

    works = {name: _asking(keyring) for name in limits}
    times = _interleaved(works, rounds=rounds, before=set_to)
    _headline("Authentication alone: what the rate limits cost")
    plain = statistics.median(next(iter(times.values())))
    for name, measured in times.items():
        _line(name, measured, f"{statistics.median(measured) / plain:.2f} times the plain one")


def _print_last_use(keyring: "Keyring") -> None:
    from apikeys.authentication import usage  # noqa: PLC0415

    secret, note = keyring.secrets[0], usage.note
    kinds: dict[str, Callable[..., None]] = {
        "last use not noted": lambda *_: None,
        "last use noted, written every second": note,
    }
    rates: Times = {name: [] for name in kinds}
    with override_settings(USAGE_FLUSH_SECONDS=1), _clients(secret) as serve:
        for pair in range(_PAIRS):
            # Each goes first as often as the other.
            for name in list(kinds)[:: 1 if pair % 2 else -1]:
                usage.note = kinds[name]
                rates[name].append(serve())
    usage.note = note
    _headline(f"{_CLIENTS} clients on one key, requests a second")
    for name, measured in rates.items():
        lower, median, upper = statistics.quantiles(measured, n=4)
        sys.stdout.write(f"{name:45}{median:9,.0f}   ({lower:,.0f} to {upper:,.0f})\n")
    pairs = zip(*rates.values(), strict=True)
    change = statistics.median(noted / without for without, noted in pairs) - 1
    sys.stdout.write(f"throughput with it, median of {_PAIRS} pairs: {change:+.1%}\n")


@contextmanager
def _clients(secret: str) -> Iterator[Callable[[], float]]:
    """Start clients that send as fast as they can; what this yields counts them for a while."""
    from apikeys.authentication.credentials import authenticate  # noqa: PLC0415

    counts, is_over, begin = [0] * _CLIENTS, False, Barrier(_CLIENTS + 1)

    def work(place: int) -> None:
        begin.wait()
        while not is_over:
            authenticate(secret, address=_ADDRESS)
            counts[place] += 1
        connections.close_all()

    def serve() -> float:
        before, started = sum(counts), time.perf_counter()
        time.sleep(_WINDOW_SECONDS)
        return (sum(counts) - before) / (time.perf_counter() - started)

    threads = [Thread(target=work, args=(place,)) for place in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    begin.wait()
    serve()
    yield serve
    is_over = True
    for thread in threads:
        thread.join()


@contextmanager
def _large_copy(keyring: "Keyring", keys: int) -> Iterator[Work]:
    """Make a second database with the same keys and many more, and query the second one."""
    small, owner = connection.settings_dict["NAME"], connections["owner"]
    connections.close_all()
    _as_owner(f"DROP DATABASE IF EXISTS {_LARGE}", f"CREATE DATABASE {_LARGE} TEMPLATE {small}")
    ours = connections["default"]
    large = ours.copy()
    large.settings_dict["NAME"] = _LARGE
    connections["default"] = large
    keyring.fill(keys)
    connections["default"] = ours
    owner.close()
    _settle(database=_LARGE)

    def ask() -> None:
        connections["default"] = large
        asking()
        connections["default"] = ours

    asking = _asking(keyring)
    try:
        yield ask
    finally:
        connections["default"] = ours
        large.close()
        _as_owner(f"DROP DATABASE {_LARGE}")


def _as_owner(*statements: str) -> None:
    owner = connections["owner"].copy()
    owner.settings_dict["NAME"] = "postgres"
    with owner.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    owner.close()


def _settle(*, database: str | None = None) -> None:
    """Do now what autovacuum would do in the middle of it."""
    owner = connections["owner"].copy()
    owner.settings_dict["NAME"] = database or connection.settings_dict["NAME"]
    with owner.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    owner.close()


def _asking(keyring: "Keyring") -> Work:
    from apikeys.authentication.credentials import authenticate  # noqa: PLC0415

    turn = 0

    def ask() -> None:
        nonlocal turn
        turn = (turn + 1) % len(keyring.secrets)
        authenticate(keyring.secrets[turn], address=_ADDRESS)

    return ask


def _interleaved(
    works: dict[str, Work], *, rounds: int, before: Callable[[str], object] = str
) -> Times:
    """Time each in turn, in microseconds, with a progress line."""
    times: Times = {name: [] for name in works}
    started, warm_up = time.monotonic(), rounds // 10
    for round_ in range(rounds + warm_up):
        # None comes first, or after the same one, more often than another.
        for name, work in list(works.items())[:: 1 if round_ % 2 else -1]:
            before(name)
            began = time.perf_counter()
            work()
            if round_ >= warm_up:
                times[name].append((time.perf_counter() - began) * 1e6)
        if sys.stderr.isatty() and round_ % 100 == 0:
            left = (time.monotonic() - started) / (round_ + 1) * (rounds + warm_up - round_)
            sys.stderr.write(f"\r{round_}/{rounds + warm_up}, about {left:.0f} s left ")
    return times


def _headline(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


def _line(name: str, measured: list[float], comment: str = "") -> None:
    lower, median, upper = statistics.quantiles(measured, n=4)
    spread = f"({lower:.0f} to {upper:.0f})"
    sys.stdout.write(f"{name:45}{median:7.0f} µs {spread:>15}   {comment}\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
