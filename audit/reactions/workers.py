"""Workers: they follow the log for all subscriptions, and call what has to be called regularly."""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from typing import Any, NamedTuple, TypeAlias

import structlog
from django.db import Error, connection

from audit.log import feed
from audit.log.feed import Place
from audit.messages.declarations import declaring
from audit.messages.tracebacks import traceback_of
from audit.reactions import checkpoints, reading, setbacks
from audit.reactions.checkpoints import Slot
from audit.reactions.declarations import Subscription, subscriptions
from audit.reactions.outside import OutsidePartition
from audit.reactions.partitions import Partition

logger = structlog.get_logger(__name__)

Run: TypeAlias = Callable[[], bool]

SHORTEST_POLL, LONGEST_POLL = 0.02, 0.25
#: How often a worker looks whether a subscription has another number of partitions.
LOOK_SECONDS = 5.0
# For how long after something new the next is expected.
BUSY_SECONDS = 1.0
_IDLE_SECONDS, _AFTER_FAILURE_SECONDS = 0.25, 2.0
_runs: dict[str, Run] = {}
_long_runs: dict[str, Run] = {}


def runs(name: str) -> Callable[[Run], Run]:
    """Declare a function that a worker calls again and again, in a thread of its own.

    It returns True if there may be more to do at once. Workers on several machines call it at the
    same time.
    """
    return declaring(_runs, name, what="work")


def runs_long(name: str) -> Callable[[Run], Run]:
    """Declare a function as `runs` does, which tests do not call: it has work for long."""
    return declaring(_long_runs, name, what="work")


def work(names: Collection[str] | None = None, *, stop: threading.Event) -> None:
    """Follow all subscriptions, or those with these names, and call what is declared as work.

    It returns soon after ``stop`` is set. Functions with effects outside the database have a thread
    for each subscription: what waits for a network delays no one else.
    """
    polls = Polls()
    wanted = [each for each in subscriptions() if names is None or each.name in names]
    declared = _runs | _long_runs
    calls = [
        (name, run, stop, _IDLE_SECONDS)
        for name, run in declared.items()
        if names is None or name in names
    ]
    threads = [threading.Thread(target=_repeat, args=each, name=each[0]) for each in calls]
    threads += [
        threading.Thread(target=_follow, args=(each, polls.listener(), stop), name=each.name)
        for each in wanted
        if each.outside
    ]
    for thread in threads:
        thread.start()
    follower = Tolerant([each for each in wanted if not each.outside], poll=polls.ask)
    _repeat("subscriptions", follower.turn, stop, SHORTEST_POLL, is_busy=polls.is_busy)
    for thread in threads:
        thread.join()


class Poll(NamedTuple):
    """The horizon, and the partitions with attempts that are due."""

    horizon: Place
    due: Collection[tuple[str, int]]


def ask() -> Poll:
    """Ask the database what there is to do."""
    return Poll(feed.horizon(Place()).place, setbacks.due())


class Polls:
    """The polls of one thread, from which the others learn what there is to do."""

    def __init__(self) -> None:
        self._last = Poll(Place(), ())
        self._changed = threading.Condition()
        self._changed_at = 0.0

    def ask(self) -> Poll:
        """Ask the database, and let the other threads know if there is something new."""
        poll = ask()
        with self._changed:
            if poll != self._last:
                self._last, self._changed_at = poll, time.monotonic()
                self._changed.notify_all()
        return poll

    def is_busy(self) -> bool:
        """Return True if there was something new within the last second."""
        return time.monotonic() - self._changed_at < BUSY_SECONDS

    def listener(self) -> Callable[[], Poll]:
        """Return a function for one other thread, which returns the last poll.

        It waits for one that the thread does not have yet, at most for the longest interval.
        """
        known = self._last

        def listen() -> Poll:
            nonlocal known
            with self._changed:
                self._changed.wait_for(lambda: self._last is not known, LONGEST_POLL)
                known = self._last
                return known

        return listen


class Follower:
    """Follows the log for some subscriptions, with one poll for all of them."""

    def __init__(
        self, subscriptions: Collection[Subscription], *, poll: Callable[[], Poll] = ask
    ) -> None:
        self._poll = poll
        self._subscriptions = subscriptions
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._counts: dict[str, int] = {}
        self._look_at = 0.0
        self._seen = Place()

    def turn(self) -> bool:
        """Handle the next events of each partition; return True if there may be more at once."""
        if time.monotonic() >= self._look_at:
            self._look_for_changes()
        poll = self._poll()
        self._distribute(poll.horizon)
        handled = sum(
            self.attempt(self._partitions[each], Partition.retry)
            for each in poll.due
            if each in self._partitions
        )
        for partition in self._partitions.values():
            if partition.is_behind:
                handled += self.attempt(partition, lambda each: each.step(poll.horizon))
        return handled > 0

    def attempt(self, partition: Partition, call: Callable[[Partition], int]) -> int:
        """Call a method of a partition, and return how many events it has handled."""
        return call(partition)

    def close(self) -> None:
        """Close what its partitions have opened."""
        for partition in self._partitions.values():
            partition.close()

    def _distribute(self, horizon: Place) -> None:
        """Notify the partitions of new events."""
        if horizon == self._seen:
            return
        news = reading.news(after=self._seen, before=horizon) if self._seen.epoch else None
        for partition in self._partitions.values():
            partition.notice(news, horizon=horizon)
        self._seen = horizon

    def _look_for_changes(self) -> None:
        """Create the partitions of subscriptions that have another number of them now."""
        stored = checkpoints.counts([each.name for each in self._subscriptions])
        for each in self._subscriptions:
            count = stored.get(each.name) or checkpoints.ensure(each)
            if count != self._counts.get(each.name):
                self._replace(each, count)
        self._look_at = time.monotonic() + LOOK_SECONDS

    def _replace(self, subscription: Subscription, count: int) -> None:
        name = subscription.name
        usual = OutsidePartition if subscription.outside else Partition
        kind = subscription.partition_class or usual
        for number in range(self._counts.get(name, 0)):
            self._partitions.pop((name, number)).close()
        for number in range(count):
            slot = Slot(name, number, count)
            self._partitions[name, number] = kind(subscription, slot)
        self._counts[name] = count


class Tolerant(Follower):
    """A follower that continues with other partitions after an error, and with that one later."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._paused_until: dict[Slot, float] = {}

    def attempt(self, partition: Partition, call: Callable[[Partition], int]) -> int:
        """Call a method of a partition; log an error, after which it pauses."""
        if time.monotonic() < self._paused_until.get(partition.slot, 0):
            return 0
        try:
            return call(partition)
        except Exception as error:  # noqa: BLE001  # logged, without values
            name, found = partition.slot.name, traceback_of(error)
            logger.error("subscription_interrupted", subscription=name, traceback=found)  # noqa: TRY400
            _reconnect()
            # It may have noted as handled what was rolled back.
            partition.is_behind = True
            self._paused_until[partition.slot] = time.monotonic() + _AFTER_FAILURE_SECONDS
            return 0


def run_once() -> bool:
    """Call each function declared by `runs` once; return True if there may be more to do."""
    return sum(run() for run in _runs.values()) > 0


def _follow(subscription: Subscription, poll: Callable[[], Poll], stop: threading.Event) -> None:
    with closing(Tolerant([subscription], poll=poll)) as follower:
        # Its poll waits.
        _repeat(subscription.name, follower.turn, stop, 0.0)


def _repeat(
    name: str,
    run: Run,
    stop: threading.Event,
    shortest: float,
    is_busy: Callable[[], bool] = lambda: False,
) -> None:
    """Call a function until the worker stops, at longer intervals while it has nothing to do."""
    pause = shortest
    while not stop.is_set():
        try:
            if run():
                pause = 0.0
            else:
                pause = shortest if is_busy() else min(max(pause * 2, shortest), LONGEST_POLL)
        except Exception as error:  # noqa: BLE001  # logged, without values
            logger.error("work_failed", work=name, traceback=traceback_of(error))  # noqa: TRY400
            _reconnect()
            pause = _AFTER_FAILURE_SECONDS
        stop.wait(pause)
    connection.close()


def _reconnect() -> None:
    try:
        connection.close_if_unusable_or_obsolete()
    except Error:
        connection.close()
