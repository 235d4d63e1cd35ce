"""Long polling: waiting for a command's final status, within the web server's capacity."""

import time
from functools import cache
from threading import BoundedSemaphore
from uuid import UUID

from django.conf import settings

from audit.log import queries

_POLL_SECONDS = 0.3


class Crowded(Exception):
    """The maximum number of requests is already waiting."""


def wait_until_final(command_id: UUID, *, seconds: float) -> None:
    """Return when a command is final, or after ``seconds``.

    It polls one index, outside a transaction: listening for notifications would take another
    connection for each waiting request.

    :raises Crowded: if too many requests are already waiting.
    """
    places, end = _places(settings.MAX_WAITERS), time.monotonic() + seconds
    if not places.acquire(blocking=False):
        raise Crowded
    try:
        while not queries.is_final(command_id) and (left := end - time.monotonic()) > 0:
            time.sleep(min(_POLL_SECONDS, left))
    finally:
        places.release()


@cache
def _places(number: int) -> BoundedSemaphore:
    """Return the places for waiting requests in this process: each of them blocks a thread."""
    return BoundedSemaphore(number)
