"""Connections of deliveries: to an address that was checked, and kept for a while after an attempt.

A handshake of TLS costs more than all the rest of an attempt. A kept connection is used again only
for the same URL, and only if its address is among those that were checked for the new attempt.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from audit.webhooks.destinations import Destination

#: Shorter than most servers keep a connection on which nothing is sent.
KEPT_SECONDS = 4.0
MOST_KEPT = 64


class _Idle(NamedTuple):
    url: str
    address: str
    since: float
    raw: socket.socket


class Kept:
    """Connections that no attempt uses at the moment, the newest last. Threads may share it."""

    def __init__(self) -> None:
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()

    def take(self, url: str, found: Sequence[str]) -> socket.socket | None:
        """Return a connection for a URL to one of the addresses that were found, if there is one.

        Others for the URL are closed: they are too old, or the endpoint has closed them.
        """
        while idle := self._pop(url):
            is_recent = time.monotonic() - idle.since < KEPT_SECONDS
            if is_recent and idle.address in found and _is_quiet(idle.raw):
                return idle.raw
            idle.raw.close()
        return None

    def keep(self, url: str, raw: socket.socket) -> None:
        """Keep a connection whose response was read to its end."""
        try:
            idle = _Idle(url, raw.getpeername()[0], time.monotonic(), raw)
        except OSError:
            # The endpoint has reset it after its response.
            raw.close()
            return
        with self._lock:
            self._idle.append(idle)
            surplus, self._idle = self._idle[:-MOST_KEPT], self._idle[-MOST_KEPT:]
        for each in surplus:
            each.raw.close()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.raw.close()

    def _pop(self, url: str) -> _Idle | None:
        with self._lock:
            for place in reversed(range(len(self._idle))):
                if self._idle[place].url == url:
                    return self._idle.pop(place)
        return None


def connected(destination: Destination, found: Sequence[str], deadline: float) -> socket.socket:
    """Return a new connection to the first address that accepts one.

    :raises OSError: if none does before the deadline, or its certificate is not valid.
    """
    last: OSError | None = None
    for place, address in enumerate(found):
        share = remaining(deadline) / (len(found) - place)
        try:
            raw = socket.create_connection((address, destination.port), share)
            # The body follows the headers at once, also before they are acknowledged.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _secured(raw, destination, deadline)
        except OSError as error:
            last = error
    raise last or TimeoutError


def remaining(deadline: float) -> float:
    """Return the seconds until a deadline.

    :raises TimeoutError: if there are none left.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _secured(raw: socket.socket, destination: Destination, deadline: float) -> socket.socket:
    if not destination.is_tls:
        return raw
    raw.settimeout(remaining(deadline))
    try:
        return _tls().wrap_socket(raw, server_hostname=destination.host)
    except OSError:
        raw.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    # To read the certificates of the authorities takes 10 ms.
    return ssl.create_default_context()


def _is_quiet(raw: socket.socket) -> bool:
    """Return False if the endpoint has closed the connection, or sent more than a response."""
    poll = select.poll()
    poll.register(raw, select.POLLIN)
    return not poll.poll(0)
