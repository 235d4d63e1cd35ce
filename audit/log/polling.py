"""Waiting for a command to become final, by no more requests than the web server can spare."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from uuid import UUID

from django.conf import settings

from audit.models.records import CommandRecord, Status

_POLL_SECONDS = 0.3
_FINAL = [status for status in Status if status.is_final]


class Crowded(Exception):
    """As many requests wait already as may."""


class WaitingRoom:
    """The requests of this process that wait: each keeps a thread from serving others."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting = 0

    @contextmanager
    def entered(self, *, most: int) -> Iterator[None]:
        """Wait inside the block.

        :raises Crowded: if so many are inside already.
        """
        with self._lock:
            if self._waiting >= most:
                raise Crowded
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1


# Of the process, for so are the threads that it counts.
_room = WaitingRoom()


def wait_until_final(command_id: UUID, *, seconds: float) -> None:
    """Return when a command is final, or when the time is over.

    It looks again and again, by one index, outside of any transaction: a connection that listens
    for notifications would be one more for each who waits.

    :raises Crowded: if too many wait already.
    """
    end = time.monotonic() + seconds
    with _room.entered(most=settings.MAX_WAITERS):
        while not _is_final(command_id) and (left := end - time.monotonic()) > 0:
            time.sleep(min(_POLL_SECONDS, left))


def _is_final(command_id: UUID) -> bool:
    return CommandRecord.objects.filter(command_id=command_id, status__in=_FINAL).exists()
