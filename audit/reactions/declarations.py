"""Subscriptions: which function is called for which events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

from django.core.exceptions import ImproperlyConfigured

from audit.messages.catalog import restore
from audit.messages.classes import Event
from audit.messages.declarations import declare
from audit.reactions.deliveries import Delivery

Start: TypeAlias = Literal["now", "beginning"] | datetime
_Function = TypeVar("_Function", bound=Callable[..., object])

MOST_PARTITIONS = 64
BACKOFF = (1, 5, 30, 300, 1800)
# How long a function with effects outside the database may take.
_LEASE_SECONDS = 60.0

_subscriptions: dict[str, "Subscription"] = {}


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A function that is called with each event of some types and its delivery.

    ``message_types`` are stored names, or patterns with an asterisk, such as ``audit.*``. Its name
    and the number of partitions are stored at the first run. ``backoff`` are the seconds before
    each retry. With ``outside``, the function is called outside of any transaction, at least once.
    With ``dispatches``, it is called for one event in each transaction, and may send commands.
    Without ``loads``, it gets None as the event, so events without a class do not fail. A call
    outside of any transaction must return within ``lease_seconds``, or another worker may call the
    function for the same event. ``partition_class`` takes the place of the class that follows a
    partition.
    """

    name: str
    message_types: tuple[str, ...]
    function: Callable[[Any, Delivery], object]
    starts: Start = "now"
    partitions: int = 4
    batch: int = 100
    backoff: tuple[float, ...] = BACKOFF
    outside: bool = False
    dispatches: bool = False
    loads: bool = True
    lease_seconds: float = _LEASE_SECONDS
    partition_class: Callable[[Any, Any], Any] | None = None

    def __post_init__(self) -> None:
        """Check the options.

        :raises ImproperlyConfigured: if one of them is impossible.
        """
        is_name = self.name.isprintable() and 0 < len(self.name) <= 200  # noqa: PLR2004  # as its constraint
        for is_right, problem in (
            (is_name, "needs a name of 1 to 200 visible characters"),
            (self.message_types, "needs at least one type of event"),
            (0 < self.partitions <= MOST_PARTITIONS, f"needs 1 to {MOST_PARTITIONS} partitions"),
            (self.batch > 0, "needs batches of at least one event"),
            (all(each >= 0 for each in self.backoff), "needs pauses of at least 0 seconds"),
            (not (self.outside and self.dispatches), "cannot send commands outside a transaction"),
            (_is_start(self.starts), "starts now, at the beginning or at a time with a zone"),
        ):
            if not is_right:
                message = f"the subscription {self.name!r} {problem}"
                raise ImproperlyConfigured(message)

    @property
    def most_attempts(self) -> int:
        """The number of attempts after which a subject is parked."""
        return 1 + len(self.backoff)

    def pause_after(self, attempts: int, error: Exception) -> float | None:
        """Return the seconds before the next attempt; None to park the subject."""
        return self.backoff[attempts - 1] if attempts < self.most_attempts else None

    @property
    def most_partitions(self) -> int:
        """The number of partitions into which it can be divided."""
        return MOST_PARTITIONS

    def call(self, delivery: Delivery) -> None:
        """Call the function with an event."""
        stored = delivery.record
        event = (
            restore(stored.message_type, stored.schema_version, stored.data) if self.loads else None
        )
        self.function(event, delivery)


def subscribe(subscription: Subscription) -> Subscription:
    """Register a subscription.

    :raises ImproperlyConfigured: if there is another one of that name.
    """
    declare(_subscriptions, subscription.name, subscription, what="subscription")
    return subscription


def reacts_to(  # noqa: PLR0913  # the options of a subscription
    *events: type[Event] | str,
    name: str,
    starts: Start = "now",
    partitions: int = 4,
    batch: int = 100,
    backoff: tuple[float, ...] = BACKOFF,
    outside: bool = False,
) -> Callable[[_Function], _Function]:
    """Declare a function that is called with each event of these classes and its delivery.

    ``name`` is stored, so it never changes. What the function writes commits together with the
    checkpoint: exactly once, and in order per subject. With ``outside``, the function is called
    outside of any transaction and at least once: for e-mail, files and requests to other systems.
    """

    def register(function: _Function) -> _Function:
        subscribe(
            Subscription(
                name=name,
                message_types=stored_names(*events),
                function=function,
                starts=starts,
                partitions=partitions,
                batch=batch,
                backoff=backoff,
                outside=outside,
            )
        )
        return function

    return register


def stored_names(*events: type[Event] | str) -> tuple[str, ...]:
    """Return the types of events, with their former names."""
    return tuple(each for event in events for each in _names(event))


def subscriptions() -> list[Subscription]:
    """Return every subscription, sorted by name."""
    return [_subscriptions[name] for name in sorted(_subscriptions)]


def find(name: str) -> Subscription | None:
    """Return the subscription of that name, or None if no app declares it."""
    return _subscriptions.get(name)


def _names(event: type[Event] | str) -> tuple[str, ...]:
    return (event,) if isinstance(event, str) else (event.message_type, *event.aliases)


def _is_start(starts: Any) -> bool:
    is_time = isinstance(starts, datetime) and starts.tzinfo is not None
    return is_time or starts in ("now", "beginning")
