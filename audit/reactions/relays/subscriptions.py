"""The subscription of a relay: what it publishes for an event, and when it tries again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from audit.log import cloudevents
from audit.reactions.declarations import Subscription
from audit.reactions.deliveries import Delivery
from audit.reactions.relays.brokers import LONGEST_CALL_SECONDS, BrokerUnavailable, RelayedEvent

CloudEvent: TypeAlias = dict[str, Any]

# The last pause is also that between the attempts to reach a broker.
_BACKOFF = (1, 2, 5, 15, 30)


@dataclass(frozen=True, kw_only=True)
class Relay(Subscription):
    """A subscription that publishes to a broker what its function returns for each event.

    It has one partition: events are published in the order of the log.
    """

    function: Callable[[CloudEvent, Delivery], CloudEvent | None]
    broker: str
    partitions: int = 1
    backoff: tuple[float, ...] = _BACKOFF
    outside: bool = True
    lease_seconds: float = 2 * LONGEST_CALL_SECONDS

    @property
    def most_partitions(self) -> int:
        """The number of partitions into which it can be divided."""
        return 1

    def pause_after(self, attempts: int, error: Exception) -> float | None:
        """Return the seconds before the next attempt; None to park the subject."""
        if isinstance(error, BrokerUnavailable):
            return self.backoff[min(attempts, len(self.backoff)) - 1]
        return super().pause_after(attempts, error)

    def relayed(self, delivery: Delivery) -> RelayedEvent | None:
        """Return an event as it is published; None if it is not."""
        record = delivery.record
        event = self.function(cloudevents.cloud_event(record, data=record.data), delivery)
        if event is None:
            return None
        return RelayedEvent(
            id=record.id,
            message_type=record.message_type,
            tenant=record.tenant,
            key=f"{record.subject_type}:{record.subject_id}",
            body=cloudevents.encoded(event),
            content_type=cloudevents.CONTENT_TYPE,
            relay=self.name,
        )
