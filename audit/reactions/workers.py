"""Workers: they follow the log for all subscriptions, and call what has to be called regularly."""

import threading
from collections.abc import Callable, Collection
from typing import TypeAlias

import structlog
from django.db import Error, connection

from audit.log import feed
from audit.log.feed import Place
from audit.messages.declarations import declaring
from audit.reactions import checkpoints, setbacks
from audit.reactions.checkpoints import Slot
from audit.reactions.declarations import subscriptions
from audit.reactions.partitions import Partition

logger = structlog.get_logger(__name__)

Run: TypeAlias = Callable[[], bool]

SHORTEST_POLL, LONGEST_POLL = 0.02, 0.25
_IDLE_SECONDS, _AFTER_FAILURE_SECONDS = 0.25, 2.0
_RETRY_SECONDS = 1.0
_runs: dict[str, Run] = {}


def runs(name: str) -> Callable[[Run], Run]:
    """Declare a function that a worker calls again and again, in a thread of its own.

    It returns True if there may be more to do at once. Workers on several machines call it at the
    same time.
    """
    return declaring(_runs, name, what="work")


def work(names: Collection[str] | None = None, *, stop: threading.Event) -> None:
    """Follow all subscriptions, or those with these names, and call what is declared by `runs`.

    It returns soon after ``stop`` is set.
    """
    threads = [
        threading.Thread(target=_repeat, args=(name, run, stop), name=name)
        for name, run in _runs.items()
        if names is None or name in names
    ]
    for thread in threads:
        thread.start()
    _repeat("subscriptions", Follower(names).turn, stop, shortest=SHORTEST_POLL)
    for thread in threads:
        thread.join()


class Follower:
    """Follows the log for the subscriptions of a process, with one poll for all of them."""

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._names = names
        self._partitions: dict[tuple[str, int], Partition] | None = None
        self._seen = Place()

    def turn(self) -> bool:
        """Handle the next events of each partition; return True if there may be more."""
        partitions = self._load()
        horizon = feed.horizon(Place()).place
        handled = sum(partitions[each].retry() for each in setbacks.due() if each in partitions)
        if horizon != self._seen:
            stepped = sum(partition.step(horizon) for partition in partitions.values())
            if not stepped:
                self._seen = horizon
            handled += stepped
        return handled > 0

    def _load(self) -> dict[tuple[str, int], Partition]:
        if self._partitions is None:
            self._partitions = {
                (each.name, number): Partition(each, Slot(each.name, number, count))
                for each in subscriptions()
                if self._names is None or each.name in self._names
                for count in (checkpoints.ensure(each),)
                for number in range(count)
            }
        return self._partitions


def run_once() -> bool:
    """Call each function declared by `runs` once; return True if there may be more to do."""
    return sum(run() for run in _runs.values()) > 0


def _repeat(name: str, run: Run, stop: threading.Event, *, shortest: float = _IDLE_SECONDS) -> None:
    """Call a function until the worker stops, at longer intervals while it has nothing to do."""
    pause = shortest
    while not stop.is_set():
        try:
            pause = 0.0 if run() else min(max(pause * 2, shortest), LONGEST_POLL)
        except Exception:
            logger.exception("work_failed", work=name)
            _reconnect()
            pause = _AFTER_FAILURE_SECONDS
        stop.wait(pause)
    connection.close()


def _reconnect() -> None:
    try:
        connection.close_if_unusable_or_obsolete()
    except Error:
        connection.close()
