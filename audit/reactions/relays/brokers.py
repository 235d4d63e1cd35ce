"""Brokers: what a relay publishes to, by adapters that meet the same obligations."""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from django.utils.module_loading import import_string

from audit.installation.settings import countersign

_LONGEST_TOKEN = 200
_TOKEN = re.compile(rb"[^A-Za-z0-9_-]")


class BrokerUnavailable(Exception):
    """The broker does not accept anything at present: the relay waits, and tries again forever."""


class EventRefused(Exception):
    """The broker will never accept this event, such as one that is too large."""


class RelayedEvent(NamedTuple):
    """An event as it is published.

    ``id`` is the same at each attempt. ``key`` is the subject in the log, whose events have to stay
    in order. ``body`` is a CloudEvent, as UTF-8 JSON of the type ``content_type``. ``relay`` is the
    name of the subscription.
    """

    id: UUID
    message_type: str
    tenant: str
    key: str
    body: bytes
    content_type: str
    relay: str

    @property
    def topic(self) -> str:
        """The tenant and each part of the type, as tokens with dots in between.

        In a token, other bytes than letters, digits, ``_`` and ``-`` are ``%`` and two digits. An
        empty token is ``~``; a long one ``~`` and its SHA-256.
        """
        return ".".join(map(_token, (self.tenant, *self.message_type.split("."))))


class Broker(Protocol):
    """A connection to a broker, which one thread uses. It connects at the first call, `resume`.

    Each call returns within `LONGEST_CALL_SECONDS`, and raises `BrokerUnavailable` if the broker is
    not reached. If `resume` does, the connection is closed, and a new one made in its place. No
    exception quotes a credential.
    """

    def resume(self, relay: str) -> UUID | None:
        """Find the end of what is stored; return the id of the last event if this relay stored it.

        From then on, `publish` fails if another publisher has stored something in between: that
        keeps out a worker that has lost its lease without noticing it. A broker without such a
        condition returns None.

        :raises BrokerUnavailable: if the broker is not reached.
        """
        ...

    def publish(self, events: Sequence[RelayedEvent]) -> int:
        """Store events in their order, and return how many of the first ones are acknowledged.

        An event that is acknowledged stays stored if the broker is killed. None is stored without
        all those before it. One with the id of an event that was stored a short time ago is
        acknowledged, and not stored again.

        :raises EventRefused: if the broker will never accept the first event.
        :raises BrokerUnavailable: if the first event is not acknowledged for another reason.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


#: The most time that a call of an adapter may take. The lease of a relay allows for two.
LONGEST_CALL_SECONDS = 10.0


def connect(name: str) -> Broker:
    """Return a new connection to one of the BROKERS in COUNTERSIGN.

    :raises KeyError: if it is not set.
    :raises ImportError: if its adapter, or the client that this needs, is not installed.
    """
    configured = countersign().brokers[name]
    broker: Broker = import_string(configured["BACKEND"])(**configured.get("OPTIONS", {}))
    return broker


def _token(text: str) -> str:
    token = _TOKEN.sub(lambda found: b"%%%02X" % ord(found[0]), text.encode()).decode()
    if len(token) > _LONGEST_TOKEN:
        return "~" + hashlib.sha256(text.encode()).hexdigest()
    return token or "~"
