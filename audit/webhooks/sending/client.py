"""The HTTP client of deliveries: one POST to an address that was checked.

It connects to the very address that `destinations.addresses` has returned for this attempt, so a
second answer of the DNS cannot matter; the name of the host is used for the certificate and the
Host header. It follows no redirect and uses no proxy. An attempt takes at most ten seconds, and
reads at most 64 KB.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

from audit.webhooks.destinations import Destination, addresses
from audit.webhooks.sending.connections import Kept, connected, remaining

TIMEOUT_SECONDS = 10.0
LARGEST_RESPONSE = 64 * 1024
LONGEST_KEPT = 1024


class Reply(NamedTuple):
    """The response of an endpoint: its status, Retry-After, and as much of its body as was read."""

    status: int
    retry_after: str
    content: bytes

    @property
    def body(self) -> str:
        """The beginning of the body, as it is stored: PostgreSQL text cannot contain NUL."""
        beginning = self.content[:LONGEST_KEPT].decode(errors="replace")
        return beginning.replace("\x00", "\ufffd")


class _Timed:
    """A socket whose operations end at one deadline, and of which so much is read at most."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self.raw, self.deadline, self.unread = raw, deadline, LARGEST_RESPONSE

    def sendall(self, data: Any) -> None:
        self.raw.settimeout(remaining(self.deadline))
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
        timed.raw.settimeout(remaining(timed.deadline))
        read = timed.raw.recv_into(buffer, min(len(buffer), timed.unread)) if timed.unread else 0
        timed.unread -= read
        return read


class _Request(NamedTuple):
    """A request that has to be answered before a deadline."""

    destination: Destination
    body: bytes
    headers: Mapping[str, str]
    deadline: float

    def send(self, raw: socket.socket) -> tuple[Reply, bool]:
        """Return the response, and whether the connection can be used again."""
        host, port = self.destination.host, self.destination.port
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = 443 if self.destination.is_tls else 80
        connection.sock = _Timed(raw, self.deadline)
        connection.request("POST", self.destination.target, self.body, dict(self.headers))
        response = connection.getresponse()
        reply = Reply(
            status=response.status,
            retry_after=response.getheader("Retry-After", ""),
            content=_content(response),
        )
        is_final = response.status >= HTTPStatus.OK
        return reply, is_final and response.isclosed() and not response.will_close


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    kept: Kept,
    resolve: Callable[[str, int], Sequence[str]] | None = None,
) -> Reply:
    """Send a body, and return the response.

    A kept connection of an earlier attempt may be used, and this one may be kept. If the endpoint
    closes the earlier one at that moment, the body is sent again on a new one. ``resolve`` returns
    the addresses of the host; by default, that is `addresses`.

    :raises Unresolvable: if the host has no address.
    :raises NotPublic: if one of its addresses is not public.
    :raises OSError: if the connection fails, has no valid certificate, or takes too long.
    :raises http.client.HTTPException: if the response is not HTTP.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    destination = Destination.of(url)
    found = (resolve or addresses)(destination.host, destination.port)
    request = _Request(destination, body, headers, deadline)
    if raw := kept.take(url, found):
        with suppress(ConnectionError, ssl.SSLError):
            return _sent(request, raw, url, kept)
    return _sent(request, connected(destination, found, deadline), url, kept)


def words_of(error: OSError | http.client.HTTPException) -> str:
    """Return a sentence about a request that got no response."""
    match error:
        case TimeoutError():
            return f"The endpoint did not respond within {TIMEOUT_SECONDS:.0f} seconds."
        case ssl.SSLCertVerificationError():
            return f"The certificate is not valid: {error.verify_message}."
        case ssl.SSLError():
            return f"The TLS connection failed: {error.reason}."
        case OSError():
            return f"The connection failed: {error.strerror or type(error).__name__}."
        case _:
            return "The response is not valid HTTP."


def _sent(request: _Request, raw: socket.socket, url: str, kept: Kept) -> Reply:
    is_reusable = False
    try:
        reply, is_reusable = request.send(raw)
        return reply
    finally:
        if is_reusable:
            kept.keep(url, raw)
        else:
            raw.close()


def _content(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(LARGEST_RESPONSE)
    except http.client.IncompleteRead as error:
        return error.partial
    except (ValueError, OverflowError) as error:
        # http.client reads as many bytes as a chunk announces, also a negative number of them.
        raise http.client.HTTPException from error
