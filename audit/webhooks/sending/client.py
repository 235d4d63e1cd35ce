"""The HTTP client of deliveries: one POST to an address that was checked.

It connects to the very address that `destinations.addresses` has returned, so a second answer of
the DNS cannot matter; the name of the host is used for the certificate and the Host header.
It follows no redirect and uses no proxy. An attempt takes at most ten seconds, and reads at most
64 KB.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Any, NamedTuple

from audit.webhooks.destinations import Destination, addresses

TIMEOUT_SECONDS = 10.0
LARGEST_RESPONSE = 64 * 1024
LONGEST_KEPT = 1024


class Reply(NamedTuple):
    """The response of an endpoint: its status, Retry-After, and the beginning of its body."""

    status: int
    retry_after: str
    body: str


class _Timed:
    """A socket whose operations end at one deadline, and of which so much is read at most."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self.raw, self.deadline, self.unread = raw, deadline, LARGEST_RESPONSE

    def sendall(self, data: Any) -> None:
        _arm(self.raw, self.deadline)
        self.raw.sendall(data)

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Do nothing: http.client closes the socket before it has read the response."""


class _Reader(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        timed = self._timed
        _arm(timed.raw, timed.deadline)
        read = timed.raw.recv_into(buffer, min(len(buffer), timed.unread)) if timed.unread else 0
        timed.unread -= read
        return read


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Send a body, and return the response.

    :raises Unresolvable: if the host has no address.
    :raises NotPublic: if one of its addresses is not public.
    :raises OSError: if the connection fails, has no valid certificate, or takes too long.
    :raises http.client.HTTPException: if the response is not HTTP.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    destination = Destination.of(url)
    connection = http.client.HTTPConnection(destination.host, destination.port)
    connection.default_port = 443 if destination.is_tls else 80
    with closing(_connected(destination, deadline)) as raw:
        connection.sock = _Timed(raw, deadline)
        connection.request("POST", destination.target, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        return Reply(
            status=response.status,
            retry_after=response.getheader("Retry-After", ""),
            body=_beginning(response),
        )


def _beginning(response: http.client.HTTPResponse) -> str:
    try:
        content = response.read(LARGEST_RESPONSE)
    except http.client.IncompleteRead as error:
        content = error.partial
    except (ValueError, OverflowError) as error:
        # http.client reads as many bytes as a chunk announces, also a negative number of them.
        raise http.client.HTTPException from error
    # PostgreSQL text cannot contain NUL.
    return content[:LONGEST_KEPT].decode(errors="replace").replace("\x00", "\ufffd")


def _connected(destination: Destination, deadline: float) -> socket.socket:
    """Return a connection to the first address of the host that accepts one."""
    found = addresses(destination.host, destination.port)
    last: OSError | None = None
    for place, address in enumerate(found):
        share = _remaining(deadline) / (len(found) - place)
        try:
            return _secured(
                socket.create_connection((address, destination.port), share), destination, deadline
            )
        except OSError as error:
            last = error
    raise last or TimeoutError


def _secured(raw: socket.socket, destination: Destination, deadline: float) -> socket.socket:
    if not destination.is_tls:
        return raw
    _arm(raw, deadline)
    try:
        return _tls().wrap_socket(raw, server_hostname=destination.host)
    except OSError:
        raw.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    # To read the certificates of the authorities takes 10 ms.
    return ssl.create_default_context()


def _arm(raw: socket.socket, deadline: float) -> None:
    raw.settimeout(_remaining(deadline))


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining
