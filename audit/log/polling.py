"""Long polling: waiting for a command's final status, within the web server's capacity."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from threading import Event, Lock
from typing import NamedTuple
from uuid import UUID

from audit.installation.settings import countersign
from audit.log import queries

_POLL_SECONDS = 0.3


class Crowded(Exception):
    """The maximum number of requests is already waiting."""


class _Place(NamedTuple):
    """The place of a waiting request. ``is_over`` is set when another caller takes it."""

    caller: str
    is_over: Event


class Places:
    """The places for waiting requests in this process: each of them blocks a thread.

    They are shared fairly: if all are taken, a caller with fewer places than another one, even
    after it has got one more, takes the oldest place of the caller that has most.
    """

    def __init__(self, number: int) -> None:
        self._number, self._taken, self._lock = number, list[_Place](), Lock()

    @contextmanager
    def taken_by(self, caller: str) -> Iterator[Event]:
        """Take a place until the end of the block; the event is set when it is taken away.

        :raises Crowded: if there is none, and no caller has too many.
        """
        place = _Place(caller, Event())
        with self._lock:
            if len(self._taken) >= self._number:
                self._take_away_for(caller)
            self._taken.append(place)
        try:
            yield place.is_over
        finally:
            with self._lock:
                self._taken = [each for each in self._taken if each is not place]

    def _take_away_for(self, caller: str) -> None:
        by_caller = sorted(self._taken, key=lambda place: place.caller)
        places = [list(group) for _, group in groupby(by_caller, key=lambda place: place.caller)]
        most = max(places, key=len, default=[])
        own = sum(place.caller == caller for place in self._taken)
        if len(most) <= own + 1:
            raise Crowded
        most[0].is_over.set()
        self._taken.remove(most[0])


def wait_until_final(command_id: UUID, *, seconds: float, caller: str) -> None:
    """Return when a command is final, or after ``seconds``.

    It polls one index, outside a transaction: listening for notifications would take another
    connection for each waiting request.

    :raises Crowded: if too many requests are already waiting, or a caller with fewer of them came.
    """
    end = time.monotonic() + seconds
    with _places(countersign().max_waiters).taken_by(caller) as is_over:
        while not queries.is_final(command_id) and (left := end - time.monotonic()) > 0:
            if is_over.wait(min(_POLL_SECONDS, left)):
                raise Crowded


@cache
def _places(number: int) -> Places:
    return Places(number)
