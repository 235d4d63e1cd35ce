"""Long polling: waiting for a command's final status, within the web server's capacity."""

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
    """The maximum number of requests is already waiting."""


class WaitingRoom:
    """The number of waiting requests in this process: each of them blocks a thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting = 0

    @contextmanager
    def entered(self, *, most: int) -> Iterator[None]:
        """Count the block as a waiting request.

        :raises Crowded: if ``most`` are already waiting.
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


# Per process, like the threads that it counts.
_room = WaitingRoom()


def wait_until_final(command_id: UUID, *, seconds: float) -> None:
    """Return when a command is final, or after ``seconds``.

    It polls one index, outside a transaction: listening for notifications would take another
    connection for each waiting request.

    :raises Crowded: if too many requests are already waiting.
    """
    end = time.monotonic() + seconds
    with _room.entered(most=settings.MAX_WAITERS):
        while not _is_final(command_id) and (left := end - time.monotonic()) > 0:
            time.sleep(min(_POLL_SECONDS, left))


def _is_final(command_id: UUID) -> bool:
    return CommandRecord.objects.filter(command_id=command_id, status__in=_FINAL).exists()
