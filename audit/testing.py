"""Fixtures for tests of apps on the bus: given commands, when a command, then events.

Load them with ``pytest_plugins = ["audit.testing"]``; they need a database that commits.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Self
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.log import feed
from audit.log.cloudevents import CONTENT_TYPE
from audit.log.feed import Place
from audit.messages import catalog
from audit.messages.classes import Command, Event
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Outcome, Postponed
from audit.models.records import CommandRecord, EventRecord
from audit.reactions import checkpoints, workers
from audit.reactions.declarations import subscriptions
from audit.reactions.relays.brokers import (
    LONGEST_CALL_SECONDS,
    Broker,
    BrokerUnavailable,
    EventRefused,
    RelayedEvent,
)

__all__ = [
    "assert_recorded",
    "check_broker",
    "check_fence",
    "check_unreachable",
    "given",
    "react",
]

_SETTLED_SECONDS = 30


class Scenario:
    """A test in three steps. ``context`` contains the actor; the default is the system."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.error: CommandError | None = None

    def given(self, *commands: Command, context: Context | None = None) -> Self:
        """Dispatch the commands that come before the tested one."""
        for command in commands:
            dispatch(command, context=context or Context(actor=SYSTEM))
        return self

    def when(self, command: Command, *, context: Context | None = None) -> Self:
        """Dispatch the tested command, and keep its outcome or error."""
        try:
            self.outcome = dispatch(command, context=context or Context(actor=SYSTEM))
        except CommandError as error:
            self.error = error
        return self

    def then(self, *events: Event) -> None:
        """Assert that the command emitted exactly these events, in this order."""
        if self.error:
            raise self.error
        assert self.outcome, "there was no when()"
        assert recorded_events(self.outcome) == list(events)

    def then_refused(self, kind: type[CommandError]) -> None:
        """Assert that the command raised this error, and that the record has its code."""
        assert isinstance(self.error, kind), f"ended with {self.error or self.outcome}"
        record = CommandRecord.objects.get(command_id=str(self.error.command_id))
        assert record.error_code == kind.code

    def then_postponed(self) -> None:
        assert isinstance(self.outcome, Postponed), f"ended with {self.error or self.outcome}"


def recorded_events(outcome: Outcome) -> Sequence[Any]:
    """Return the events of a command, restored from the log."""
    records = EventRecord.objects.filter(command_id=outcome.command_id).order_by("position")
    return [catalog.restore(e.message_type, e.schema_version, e.data) for e in records]


def react(*names: str) -> None:
    """Call the event handlers, and whatever else a worker does, until nothing is left to do.

    All subscriptions, or those with these names, from the beginning of the log, in this thread.
    Waits for transactions of other connections that hold readers of the log back.

    :raises TimeoutError: if one of them stays open.
    """
    for subscription in subscriptions():
        checkpoints.create(subscription, place=Place())
    wanted = [each for each in subscriptions() if not names or each.name in names]
    with closing(workers.Follower(wanted, poll=_poll_when_settled)) as follower:
        while follower.turn() or workers.run_once():
            pass


def check_broker(connect: Callable[[], Broker], *, stored: Callable[[], Sequence[UUID]]) -> None:
    """Check that an adapter meets the obligations of `Broker`, on a broker that stores nothing yet.

    ``connect`` returns a new connection, and ``stored`` the ids of the stored events, in order.

    :raises AssertionError: if it does not.
    """
    events = [_relayed(each) for each in range(60)]
    ids = [each.id for each in events]
    with closing(connect()) as first, closing(connect()) as second:
        assert first.resume("a") is None, "nothing is stored"
        _publish_all(first, events[:50])
        assert list(stored()) == ids[:50], "events are stored in their order"
        assert second.resume("a") in {ids[49], None}, "the last event is the one that was stored"
        assert second.resume("b") is None, "the last event is that of another relay"
        _publish_all(second, events[40:55])
        assert list(stored()) == ids[:55], "an event with the same id is not stored again"
        assert second.resume("a") in {ids[54], None}, "the last event is the one that was stored"
        large = _relayed(60)._replace(body=b" " * 64 * 2**20)
        with pytest.raises(EventRefused):
            second.publish([large, *events[55:]])
        second.resume("a")
        _publish_all(second, events[55:])
        assert list(stored()) == ids, "others are stored after an event that is refused"


def check_fence(connect: Callable[[], Broker], *, stored: Callable[[], Sequence[UUID]]) -> None:
    """Check that an adapter keeps out a publisher that another one has followed.

    :raises AssertionError: if it does not.
    """
    events = [_relayed(each) for each in range(6)]
    with closing(connect()) as first, closing(connect()) as second:
        first.resume("a")
        second.resume("a")
        _publish_all(second, events[:3])
        with pytest.raises(BrokerUnavailable):
            first.publish(events[3:])
        assert list(stored())[-3:] == [each.id for each in events[:3]], "the first one is kept out"
        first.resume("a")
        _publish_all(first, events[3:])
        assert list(stored())[-6:] == [each.id for each in events], "it continues after `resume`"


def check_unreachable(broker: Broker) -> None:
    """Check that a connection to a broker that is not there raises an error in time.

    :raises AssertionError: if it does not.
    """
    began = time.monotonic()
    with closing(broker), pytest.raises(BrokerUnavailable):
        broker.resume("a")
    assert time.monotonic() - began < 2 * LONGEST_CALL_SECONDS, "each call returns in time"


def _publish_all(broker: Broker, events: Sequence[RelayedEvent]) -> None:
    """Publish events as a relay does: what is not acknowledged is published again."""
    while events:
        acknowledged = broker.publish(events)
        assert 0 < acknowledged <= len(events), "at least the first event is acknowledged"
        events = events[acknowledged:]
        if events:
            broker.resume("a")


def _relayed(number: int) -> RelayedEvent:
    return RelayedEvent(
        id=uuid7(),
        message_type="things.touched",
        tenant="*.> \r\n ü",
        key="thing:1",
        body=b'{"number": %d}' % number,
        content_type=CONTENT_TYPE,
        relay="a",
    )


def _poll_when_settled() -> workers.Poll:
    """Return a poll whose horizon is after all records: another one may be earlier."""
    end = time.monotonic() + _SETTLED_SECONDS
    while True:
        poll = workers.ask()
        if not CommandRecord.objects.filter(feed.DELIVERY.behind(poll.horizon)).exists():
            return poll
        if time.monotonic() > end:
            message = f"these transactions are still open: {feed.writers()}"
            raise TimeoutError(message)
        time.sleep(0.005)


@pytest.fixture
def given() -> Any:
    """Return the start of a scenario: ``given(*commands).when(command).then(*events)``."""
    return Scenario().given


@pytest.fixture
def assert_recorded() -> Any:
    """Return a function that asserts one record of a type with these columns, and returns it."""

    def check(command_class: type[Command], **columns: Any) -> CommandRecord:
        found = CommandRecord.objects.filter(message_type=command_class.message_type, **columns)
        assert len(found) == 1, f"{len(found)} records of {command_class.message_type}, {columns}"
        return found[0]

    return check
