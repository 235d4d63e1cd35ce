"""Progress of a measurement, with the estimated remaining time."""

import sys
import time


class Progress:
    """One line on the terminal; nothing where there is none."""

    def __init__(self, label: str, *, total: int) -> None:
        self._label, self._total = label, total
        self._started = time.monotonic()

    def tell(self, done: int) -> None:
        """Print the progress."""
        taken = time.monotonic() - self._started
        left = taken / done * (self._total - done)
        if sys.stderr.isatty():
            sys.stderr.write(
                f"\r\x1b[K{self._label}: {done}/{self._total}, about {left:.0f} s left"
            )
        if done == self._total:
            sys.stderr.write(f"\r{self._label}: {taken:.0f} s\n")
