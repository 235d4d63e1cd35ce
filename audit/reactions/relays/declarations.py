"""Relays of apps: which events are published to which broker."""

from collections.abc import Callable
from typing import TypeVar

from audit.messages.classes import Event
from audit.reactions.declarations import Start, stored_names, subscribe
from audit.reactions.deliveries import Delivery
from audit.reactions.relays.partitions import RelayPartition
from audit.reactions.relays.subscriptions import CloudEvent, Relay

_Function = TypeVar("_Function", bound=Callable[[CloudEvent, Delivery], CloudEvent | None])


def relays(
    *events: type[Event] | str, name: str, to: str, starts: Start = "now", batch: int = 100
) -> Callable[[_Function], _Function]:
    """Declare a relay: what the function returns for each event is published to a broker.

    The function takes the CloudEvent, a dict of JSON values, and the delivery; None is not
    published. ``to`` is one of the BROKERS in COUNTERSIGN. ``name`` is stored, so it never changes.
    Events are published at least once, and in the order of the log.
    """

    def register(function: _Function) -> _Function:
        subscribe(
            Relay(
                name=name,
                message_types=stored_names(*events),
                function=function,
                broker=to,
                starts=starts,
                batch=batch,
                partition_class=RelayPartition,
            )
        )
        return function

    return register
