"""The signals that stop a process, handled so that no server outlives it.

Without a handler, SIGTERM and SIGHUP end Python at once and its exit handlers do not run.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `timeout make run` sends SIGTERM twice: through make, and to the whole process group.
_BURST_SECONDS = 1.0


class Stopped(SystemExit):
    """A signal stopped this process; the exit code is the one that shells use for it."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def raise_on_signals(*numbers: signal.Signals) -> None:
    """Raise `Stopped` on each of these signals; those that are ignored stay ignored."""
    for number in numbers:
        # A shell ignores SIGINT for background jobs, and nohup ignores SIGHUP.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise_stopped)


def check() -> None:
    """Check that no signal has arrived: Python drops what a handler raises inside a finalizer.

    :raises Stopped: if one has.
    """
    if _raise_stopped.number is not None:
        raise Stopped(_raise_stopped.number)


@contextmanager
def held_back() -> Iterator[None]:
    """Delay the signals until the block is left, for what must not be interrupted halfway."""
    caught: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in handlers:
        signal.signal(number, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for first in caught[:1]:
            signal.raise_signal(first)


def ignore_signals() -> None:
    """Ignore the signals from now on: the process is ending, and stops its servers."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class _Raiser:
    """A handler that raises once for several signals in a row.

    The second one would interrupt the `finally` blocks that the first one set off.
    """

    def __init__(self) -> None:
        self._raised_at = float("-inf")
        self.number: int | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        self.number, now = number, time.monotonic()
        if now - self._raised_at > _BURST_SECONDS:
            self._raised_at = now
            raise Stopped(number)


_raise_stopped = _Raiser()
