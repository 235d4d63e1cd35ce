"""The adapter for NATS JetStream, with its standard client: `pip install countersign[nats]`."""

import asyncio
import hashlib
import re
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.js.api import PubAck
from nats.js.errors import APIError, NotFoundError

from audit.reactions.relays.brokers import (
    LONGEST_CALL_SECONDS,
    BrokerUnavailable,
    EventRefused,
    RelayedEvent,
)

_Result = TypeVar("_Result")

_TOO_LARGE = 10054
_CLOSE_SECONDS = 1.0
_LONGEST_TOKEN = 200
_TOKEN = re.compile(rb"[^A-Za-z0-9_-]")
_RELAY = "Countersign-Relay"


class JetStream:
    """A connection to NATS JetStream, which publishes to one stream: that of one relay.

    ``servers`` is one URL or a list, ``timeout`` in seconds. Other options are those of the client:
    ``user_credentials``, ``tls`` … The first event of a batch names the sequence number that must
    be the last in the stream, and each of the others the event before it.
    """

    def __init__(
        self,
        *,
        servers: str | list[str],
        stream: str,
        prefix: str = "events",
        timeout: float = 4.0,
        **options: Any,
    ) -> None:
        self._stream, self._prefix, self._timeout = stream, prefix, timeout
        # It connects again at the next call: a lost connection fails at once.
        own = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0.1}
        self._options = {"connect_timeout": 2, **options, **own, "servers": servers}
        self._runner = asyncio.Runner()
        self._client: Client | None = None
        self._end = 0

    def resume(self, relay: str) -> UUID | None:
        """Find the end of the stream; return the id of its last event if this relay stored it."""
        return self._run(self._resume(relay))

    def publish(self, events: Sequence[RelayedEvent]) -> int:
        """Store events, and return how many of the first ones are acknowledged."""
        return self._run(self._publish(events))

    def close(self) -> None:
        """Close the connection, and the loop that its client runs in."""
        self._runner.run(self._disconnect())
        self._runner.close()

    def _run(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        return self._runner.run(self._guarded(call))

    async def _guarded(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        try:
            return await asyncio.wait_for(call, min(2 * self._timeout, LONGEST_CALL_SECONDS))
        except (nats.errors.Error, OSError, ValueError) as error:
            await self._disconnect()
            raise BrokerUnavailable(_summary(error)) from None

    async def _resume(self, relay: str) -> UUID | None:
        stream = (await self._connected()).jsm()
        self._end = (await stream.stream_info(self._stream)).state.last_seq
        try:
            last = await stream.get_msg(self._stream, max(self._end, 1))
        except NotFoundError:
            return None
        headers = last.headers or {}
        return UUID(headers["Nats-Msg-Id"]) if headers.get(_RELAY) == relay else None

    async def _publish(self, events: Sequence[RelayedEvent]) -> int:
        stream = (await self._connected()).jetstream(timeout=self._timeout)
        conditions = [{"Nats-Expected-Last-Sequence": str(self._end)}]
        conditions += [{"Nats-Expected-Last-Msg-Id": str(each.id)} for each in events[:-1]]
        calls = [
            stream.publish(
                subject_of(event, prefix=self._prefix),
                event.body,
                stream=self._stream,
                headers={**_headers(event), **condition},
            )
            for event, condition in zip(events, conditions, strict=True)
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        failed = [i for i, each in enumerate(results) if isinstance(each, BaseException)]
        if 0 in failed:
            raise _refusal(results[0])
        # A duplicate has the number of the first one.
        self._end = max(self._end, *(each.seq for each in results if isinstance(each, PubAck)))
        return min(failed, default=len(results))

    async def _connected(self) -> Client:
        # The loop has not run since the last call: the client may learn that the server is gone.
        await asyncio.sleep(0.001)
        if self._client is None or not self._client.is_connected:
            await self._disconnect()
            self._client = Client()
            await self._client.connect(**self._options, error_cb=_ignore)
        return self._client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client:
            # After a failed TLS handshake, it would wait forever; with wrong options, it asserts
            # that it was connected.
            with suppress(OSError, nats.errors.Error, AssertionError):
                await asyncio.wait_for(client.close(), _CLOSE_SECONDS)


def subject_of(event: RelayedEvent, *, prefix: str) -> str:
    """Return the subject in NATS: ``prefix.tenant.type``, with a token for each part of the type.

    Other bytes than letters, digits, ``_`` and ``-`` are ``%`` and two digits. An empty token is
    ``~``; a long one ``~`` and its SHA-256.
    """
    return ".".join((prefix, *map(_token, (event.tenant, *event.message_type.split(".")))))


def _token(text: str) -> str:
    token = _TOKEN.sub(lambda found: b"%%%02X" % ord(found[0]), text.encode()).decode()
    if len(token) > _LONGEST_TOKEN:
        return "~" + hashlib.sha256(text.encode()).hexdigest()
    return token or "~"


def _headers(event: RelayedEvent) -> dict[str, str]:
    return {
        "Nats-Msg-Id": str(event.id),
        "Content-Type": event.content_type,
        _RELAY: event.relay,
    }


def _summary(error: Exception) -> str:
    """Return one line about an error. Those that are not of the client could quote the URL."""
    if isinstance(error, APIError):
        return error.description or "refused by JetStream"
    is_of_client = isinstance(error, nats.errors.Error)
    return str(error).removeprefix("nats: ") if is_of_client else type(error).__name__


def _refusal(error: Any) -> Exception:
    is_too_large = isinstance(error, nats.errors.MaxPayloadError) or (
        isinstance(error, APIError) and error.err_code == _TOO_LARGE
    )
    return EventRefused("larger than the broker accepts") if is_too_large else error


async def _ignore(error: Exception) -> None:
    """Ignore an error that a caller of the client gets, too."""
