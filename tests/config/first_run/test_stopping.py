"""Signals that stop a process: none is lost."""

import signal
import sys

import pytest

from config.first_run import stopping


class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def handled(monkeypatch):
    """SIGTERM raises `Stopped`, by a handler that has seen no signal yet."""
    monkeypatch.setattr(stopping, "_raise_stopped", stopping._Raiser())
    before = signal.getsignal(signal.SIGTERM)
    stopping.raise_on_signals(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_signal_inside_a_finalizer_is_found_by_the_next_check(handled, monkeypatch):
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: dropped.append(told.exc_type))
    stopping.check()

    Finalized()

    assert dropped == [stopping.Stopped]
    with pytest.raises(stopping.Stopped):
        stopping.check()
