"""Responses that are sent while they are made, from the thread that makes them."""

import asyncio
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.server.answers import Headers, Message, Receive, Send


class ReaderGone(Exception):
    """The client has disconnected, or does not read."""


class Stream:
    """The client of one response; to be created on the event loop."""

    def __init__(self, receive: Receive, send: Send, *, seconds: float) -> None:
        self._receive, self._send, self._seconds = receive, send, seconds
        self._loop = asyncio.get_running_loop()
        self._is_gone = False
        #: Done as soon as the response has begun.
        self.begun: asyncio.Future[None] = self._loop.create_future()

    def send(self, status: int, headers: Headers, parts: Iterable[bytes]) -> None:
        """Send a response from a thread, each part as soon as the client has room for it.

        If the parts end with an exception, the last chunk is never sent: the client notices.

        :raises ReaderGone: if the client disconnects, or does not read for `seconds`.
        """
        self._loop.call_soon_threadsafe(self.begun.set_result, None)
        watch = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        try:
            self._put({"type": "http.response.start", "status": status, "headers": headers})
            for part in parts:
                self._put({"type": "http.response.body", "body": part, "more_body": True})
            self._put({"type": "http.response.body", "body": b""})
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        # What is sent to a client that has disconnected is dropped without an error.
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True

    def _put(self, message: Message) -> None:
        asyncio.run_coroutine_threadsafe(self._put_in_time(message), self._loop).result()

    async def _put_in_time(self, message: Message) -> None:
        if self._is_gone:
            raise ReaderGone
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError as error:
            raise ReaderGone from error


def disconnect_unread(port: int, *, seconds: float) -> None:
    """Set the time after which the kernel ends a connection that its client does not read.

    This is for what was handed to the server in full, which no deadline of ours covers. The
    option is inherited from the listening socket, which only the server has.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    for descriptor in Path("/proc/self/fd").iterdir():
        # Not a socket, or closed meanwhile.
        with suppress(OSError), _socket(int(descriptor.name)) as found:
            if found.family in (socket.AF_INET, socket.AF_INET6) and found.getsockname()[1] == port:
                milliseconds = int(seconds * 1000)
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


@contextmanager
def _socket(descriptor: int) -> Iterator[socket.socket]:
    """Use a descriptor as a socket, and leave it open.

    :raises OSError: if it is not one.
    """
    found = socket.socket(fileno=descriptor)
    try:
        yield found
    finally:
        found.detach()
