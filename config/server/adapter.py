"""The ASGI application that runs Django, a WSGI application, in threads.

A request gets a thread once its body has arrived, and gives it back once its response is made, so
clients that send or read slowly do not hold one.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial
from io import BytesIO
from itertools import chain, islice
from threading import BoundedSemaphore
from typing import Any, NamedTuple

import structlog
from rest_framework.exceptions import APIException

from audit.rest.problems import Overloaded
from config.server import bodies, probes
from config.server.answers import (
    Answer,
    Headers,
    Message,
    Receive,
    Send,
    encoded,
    refusal,
)
from config.server.environ import environ
from config.server.streams import ReaderGone, Stream, disconnect_unread

logger = structlog.get_logger(__name__)

_PART = 64 * 1024
#: A streaming response of fewer parts is made before it is sent, like any other response.
_PARTS_AHEAD = 4


class Limits(NamedTuple):
    """The limits of one process for its clients; docs/settings.md explains each."""

    threads: int
    streams: int
    queue: int
    queue_seconds: float
    body_bytes: int
    body_seconds: float
    write_seconds: float


class Adapter:
    """Serves a WSGI application whose responses have the attribute `streaming`, as Django's do."""

    def __init__(self, application: Callable[..., Any], limits: Limits) -> None:
        self._application, self._limits = application, limits
        self._readiness = probes.Readiness()
        self._pool = ThreadPoolExecutor(limits.threads + limits.streams)
        self._threads = asyncio.Semaphore(limits.threads)
        self._streams = BoundedSemaphore(limits.streams)
        self._waiting = 0
        self._has_served = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if not self._has_served:
            self._has_served = True
            disconnect_unread(int(scope["server"][1]), seconds=self._limits.write_seconds)
        try:
            answer = await self._answer(scope, receive, send)
        except APIException as error:
            answer = refusal(scope, error)
        # A response that was begun and is not ended closes the connection.
        if answer:
            await answer.send(send)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> Answer | None:
        """Return the response; None if its thread has sent it, or as much of it as possible.

        :raises APIException: if the application is not asked.
        """
        if probes.is_probe(scope):
            return await self._readiness.answer(scope)
        request, stream = environ(scope), Stream(receive, send, seconds=self._limits.write_seconds)
        with await self._body(scope, receive) as body:
            request["CONTENT_LENGTH"] = str(body.seek(0, 2))
            body.seek(0)
            request["wsgi.input"] = body
            return await self._handle(scope, request, stream)

    async def _body(self, scope: Message, receive: Receive) -> bodies.Body | BytesIO:
        most, seconds = self._limits.body_bytes, self._limits.body_seconds
        return await bodies.read(scope, receive, most=most, seconds=seconds) or BytesIO()

    async def _handle(
        self, scope: Message, request: dict[str, Any], stream: Stream
    ) -> Answer | None:
        await self._acquire_thread()
        try:
            # A context of its own, like that of a thread.
            make = partial(Context().run, self._respond, request, stream)
            response = asyncio.get_running_loop().run_in_executor(self._pool, make)
            either: list[asyncio.Future[Any]] = [response, stream.begun]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._threads.release()
        await asyncio.wait([response])
        error = response.exception()
        if not error:
            return response.result()
        if not stream.begun.done():
            return refusal(scope, error)
        self._log_incomplete(scope, error)
        return None

    @staticmethod
    def _log_incomplete(scope: Message, error: BaseException) -> None:
        request = f"{scope['method']} {scope['path']}"
        if isinstance(error, ReaderGone):
            logger.warning("response_not_read", request=request)
        else:
            logger.error("response_incomplete", request=request, exc_info=error)

    async def _acquire_thread(self) -> None:
        """Wait for a free thread.

        :raises Overloaded: if too many requests are waiting, or it takes too long.
        """
        if self._threads.locked() and self._waiting >= self._limits.queue:
            raise Overloaded
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                await self._threads.acquire()
        except TimeoutError as error:
            raise Overloaded from error
        finally:
            self._waiting -= 1

    def _respond(self, request: dict[str, Any], stream: Stream) -> Answer | None:
        """Return the response, or send it part by part, in a thread.

        It is closed in the same thread, which has the database connection.

        :raises Overloaded: if too many responses are being sent part by part.
        """
        started: list[tuple[int, Headers]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            started.append((int(status[:3]), encoded(headers)))

        response = self._application(request, start_response)
        try:
            ((status, headers),) = started
            if request["REQUEST_METHOD"] == "HEAD":
                return Answer(status, headers, b"")
            if not response.streaming:
                return Answer(status, headers, b"".join(response))
            parts = _parts(response)
            ahead = list(islice(parts, _PARTS_AHEAD))
            if len(ahead) < _PARTS_AHEAD:
                return Answer(status, headers, b"".join(ahead))
            self._send(stream, status, headers, chain(ahead, parts))
            return None
        finally:
            response.close()

    def _send(self, stream: Stream, status: int, headers: Headers, parts: Iterable[bytes]) -> None:
        if not self._streams.acquire(blocking=False):
            raise Overloaded
        try:
            stream.send(status, headers, parts)
        finally:
            self._streams.release()


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks in parts of one size: the deadline is for each part."""
    part = bytearray()
    for chunk in chunks:
        part += chunk
        while len(part) >= _PART:
            yield bytes(part[:_PART])
            del part[:_PART]
    if part:
        yield bytes(part)
