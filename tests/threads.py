"""Concurrent threads, each with its own database connection."""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from types import TracebackType
from typing import Any, Self

from django.db import connection, connections

#: The number of runs of each race: a single run proves little, and .ci/run uses more by default.
ROUNDS = int(os.environ.get("RACE_ROUNDS", "20"))
_PATIENCE_SECONDS = 60


class Crowd:
    """As many threads as concurrent actions. They stay from round to round."""

    def __init__(self, size: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=size)
        self._size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.at_once(*[connections.close_all] * self._size)
        self._executor.shutdown()

    def at_once(self, *actions: Callable[[], Any]) -> list[Any]:
        """Run all actions at the same time; return what each one returned or raised."""
        barrier = Barrier(len(actions))
        futures = [self._executor.submit(_act, action, barrier) for action in actions]
        return [future.result(_PATIENCE_SECONDS) for future in futures]

    def start(self, action: Callable[[], Any]) -> "Future[Any]":
        """Start one action without waiting; its future holds what it returned or raised."""
        return self._executor.submit(_act, action, Barrier(1))


def until(is_so: Callable[[], bool]) -> None:
    """Poll until a condition without an event is true, such as a lock in the database."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end, is_so
        time.sleep(0.005)


def _act(action: Callable[[], Any], barrier: Barrier) -> Any:
    connection.ensure_connection()
    # The barrier also keeps a thread from taking two actions of one round.
    barrier.wait(_PATIENCE_SECONDS)
    try:
        return action()
    # The test checks the exception.
    except Exception as error:  # noqa: BLE001
        return error
