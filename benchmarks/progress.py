"""Progress of a long piece of work, with the estimated remaining time."""

import sys
import time
from collections.abc import Iterator


def report(what: str, made: Iterator[int], *, total: int) -> None:
    """Count what is made, with an estimate of how long the rest takes."""
    started = time.monotonic()
    for count in made:
        left = (time.monotonic() - started) / count * (total - count)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{what}: {count:,}/{total:,}, about {left:.0f} s left   ")
    sys.stderr.write(f"\r{what}: {total:,} in {time.monotonic() - started:.0f} s{' ' * 20}\n")
