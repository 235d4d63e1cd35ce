"""The adapter for NATS JetStream, with its standard client: `pip install countersign[nats]`."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.js.api import PubAck
from nats.js.errors import NotFoundError

from audit.reactions.relays.brokers import (
    LONGEST_CALL_SECONDS,
    BrokerUnavailable,
    EventRefused,
    RelayedEvent,
)

_Result = TypeVar("_Result")

_TOO_LARGE = 10054
_CLOSE_SECONDS = 1.0
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
        # The relay replaces a connection that is lost: it is to fail at once.
        own = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0.1}
        self._options = {"connect_timeout": 2, **options, **own, "servers": servers}
        self._runner = asyncio.Runner()
        self._client = Client()
        self._jetstream = self._client.jetstream(timeout=timeout)
        self._end = 0

    def resume(self, relay: str) -> UUID | None:
        """Find the end of the stream; return the id of its last event if this relay stored it."""
        return self._run(self._resume(relay))

    def publish(self, events: Sequence[RelayedEvent]) -> int:
        """Store events, and return how many of the first ones are acknowledged."""
        return self._run(self._publish(events))

    def close(self) -> None:
        """Close the connection, and the loop that its client runs in."""
        # After a failed TLS handshake, the client would wait forever; with wrong options, it
        # asserts that it was connected.
        with suppress(OSError, nats.errors.Error, AssertionError):
            self._runner.run(asyncio.wait_for(self._client.close(), _CLOSE_SECONDS))
        self._runner.close()

    def _run(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        longest = min(2 * self._timeout, LONGEST_CALL_SECONDS)
        try:
            return self._runner.run(asyncio.wait_for(call, longest))
        except nats.errors.Error as error:
            code = getattr(error, "err_code", None)
            if isinstance(error, nats.errors.MaxPayloadError) or code == _TOO_LARGE:
                raise EventRefused("larger than the broker accepts") from None
            raise BrokerUnavailable(str(error).removeprefix("nats: ")) from None
        except (OSError, ValueError) as error:
            # Its text could quote the URL.
            raise BrokerUnavailable(type(error).__name__) from None

    async def _resume(self, relay: str) -> UUID | None:
        if not (self._client.is_connected or self._client.is_closed):
            await self._client.connect(**self._options, error_cb=_ignore)
        # The loop has not run since the last call: the client may learn that the server is gone.
        await asyncio.sleep(0.001)
        self._end = (await self._jetstream.stream_info(self._stream)).state.last_seq
        try:
            last = await self._jetstream.get_msg(self._stream, max(self._end, 1))
        except NotFoundError:
            return None
        headers = last.headers or {}
        return UUID(headers["Nats-Msg-Id"]) if headers.get(_RELAY) == relay else None

    async def _publish(self, events: Sequence[RelayedEvent]) -> int:
        conditions = [{"Nats-Expected-Last-Sequence": str(self._end)}]
        conditions += [{"Nats-Expected-Last-Msg-Id": str(each.id)} for each in events[:-1]]
        calls = map(self._publish_one, events, conditions)
        results = await asyncio.gather(*calls, return_exceptions=True)
        failed = [i for i, each in enumerate(results) if isinstance(each, BaseException)]
        if isinstance(results[0], BaseException):
            raise results[0]
        # A duplicate has the number of the first one.
        self._end = max(self._end, *(each.seq for each in results if isinstance(each, PubAck)))
        return min(failed, default=len(results))

    async def _publish_one(self, event: RelayedEvent, condition: dict[str, str]) -> PubAck:
        headers = {"Content-Type": event.content_type, "Nats-Msg-Id": str(event.id)}
        return await self._jetstream.publish(
            f"{self._prefix}.{event.topic}",
            event.body,
            stream=self._stream,
            headers={**headers, **condition, _RELAY: event.relay},
        )


async def _ignore(error: Exception) -> None:
    """Ignore an error that a caller of the client gets, too."""
