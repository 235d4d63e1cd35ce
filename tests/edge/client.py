"""A client that sends bytes as given, and the responses in the bytes that it receives."""

import json
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n"


class Response(NamedTuple):
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes
    #: False if the connection ended before its body did.
    is_complete: bool = True

    def json(self):
        return json.loads(self.body)


class Received(NamedTuple):
    """All that a connection returned."""

    raw: bytes
    #: True if the server closed the connection, False if it was still open at the end.
    is_closed: bool

    def responses(self, *methods):
        """Return the responses to requests with these methods, by default all GET."""
        found, left, methods = [], self.raw, list(methods)
        while left:
            response, left = _first(left, method=methods.pop(0) if methods else "GET")
            if response.status != 100:
                found.append(response)
        return found

    def only(self, method="GET"):
        (response,) = self.responses(method)
        return response


def connect(port, *, receive_buffer=None):
    """Open a connection; with a small receive buffer, the server soon notices if nobody reads."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", port))
    return connection


def exchange(port, data, *, seconds=5, ends=False, pieces=()):
    """Send bytes on a new connection, and read until it is closed or the time is over."""
    with connect(port) as connection:
        connection.sendall(data)
        for wait, piece in pieces:
            time.sleep(wait)
            connection.sendall(piece)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        return read(connection, seconds=seconds)


def read(connection, *, seconds=5):
    """Read until the connection is closed or the time is over."""
    raw, end = bytearray(), time.monotonic() + seconds
    with suppress(TimeoutError):
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                part = connection.recv(65536)
            except ConnectionError:
                part = b""
            if not part:
                return Received(bytes(raw), is_closed=True)
            raw += part
    return Received(bytes(raw), is_closed=False)


def head(method=b"GET", path=b"/edge/echo", *, extra=b"", version=b"1.1"):
    """Return the head of a request that closes the connection."""
    return method + b" " + path + b" HTTP/" + version + b"\r\n" + HOST + CLOSE + extra + b"\r\n"


def get(port, path, *, seconds=10, headers=None):
    """Return the status of an ordinary request; the name of the error if there is none."""
    connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    return response.status


def _first(raw, *, method):
    """Return the first response in the bytes, and the rest of them."""
    top, separator, rest = raw.partition(b"\r\n\r\n")
    assert separator, raw[:200]
    line, *fields = top.decode("latin-1").split("\r\n")
    assert line.startswith("HTTP/1."), raw[:200]
    status = int(line.split()[1])
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    if method == "HEAD" or status in (100, 204, 304):
        return Response(status, headers, b""), rest
    if headers.get("transfer-encoding") == "chunked":
        body, is_complete, rest = _unchunked(rest)
        return Response(status, headers, body, is_complete), rest
    length = int(headers.get("content-length", len(rest)))
    return Response(status, headers, rest[:length], len(rest) >= length), rest[length:]


def _unchunked(raw):
    body, place = bytearray(), 0
    while (end := raw.find(b"\r\n", place)) >= 0:
        length = int(raw[place:end], 16)
        body += raw[end + 2 : end + 2 + length]
        place = end + 2 + length + 2
        if place > len(raw):
            break
        if not length:
            return bytes(body), True, raw[place:]
    return bytes(body), False, b""
