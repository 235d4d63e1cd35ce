"""One `apikeys.enable`, or its opposite, against the same rows written by bare psycopg.

    python -m benchmarks.dispatch [rounds]

Both write one changed key, one history row, one command record, one event and one stream head in
one durable transaction, turn by turn in one run, so what else the machine does meets both alike.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from benchmarks import scratch

_WARM_UP = 50


def main(rounds: int = 1000) -> None:
    """Measure and print."""
    with scratch.database():
        # Its models can be imported once Django is set up.
        from benchmarks.peers import BarePsycopg, Dispatcher, make_key  # noqa: PLC0415

        dispatcher, bare = Dispatcher(make_key("ours")), BarePsycopg(make_key("theirs"))
        ours, theirs = _interleave(dispatcher.toggle, bare.toggle, rounds=rounds)
        traffic = dispatcher.traffic(), bare.traffic()
        bare.close()
    write = sys.stdout.write
    write(f"{'':28}{'statements':>11}{'round trips':>13}{'median ms':>11}{'p99 ms':>9}\n")
    rows = zip(
        ("dispatch(apikeys.enable)", "bare psycopg, same rows"),
        traffic,
        (ours, theirs),
        strict=True,
    )
    for name, (statements, trips), times in rows:
        median, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        write(f"{name:28}{statements:11}{trips:13}{median:11.2f}{p99:9.2f}\n")
    ratio = statistics.median(theirs) / statistics.median(ours)
    write(f"throughput of dispatch, as a share of bare psycopg's: {ratio:.2f}\n")


def _interleave(
    one: Callable[[], object], other: Callable[[], object], *, rounds: int
) -> tuple[list[float], list[float]]:
    """Time two pieces of work in turn, in milliseconds, with a progress line."""
    ours, theirs = [], []
    started = time.monotonic()
    for round_ in range(rounds + _WARM_UP):
        times = _milliseconds(one), _milliseconds(other)
        if round_ >= _WARM_UP:
            ours.append(times[0])
            theirs.append(times[1])
        if sys.stderr.isatty() and round_ % 50 == 0:
            left = (time.monotonic() - started) / (round_ + 1) * (rounds + _WARM_UP - round_)
            sys.stderr.write(f"\r{round_}/{rounds + _WARM_UP}, about {left:.0f} s left ")
    return ours, theirs


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
