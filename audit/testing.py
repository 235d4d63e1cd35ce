"""Fixtures for tests of apps on the bus: given commands, when a command, then events.

Load them with ``pytest_plugins = ["audit.testing"]``; they need a database that commits.
"""

import time
from collections.abc import Sequence
from typing import Any, Self

import pytest

from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.log import feed
from audit.log.feed import Place
from audit.messages import catalog
from audit.messages.classes import Command, Event
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Outcome, Postponed
from audit.models.records import CommandRecord, EventRecord
from audit.reactions import checkpoints, workers
from audit.reactions.declarations import subscriptions

__all__ = ["assert_recorded", "given", "react"]

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
    follower = workers.Follower(wanted, poll=_poll_when_settled)
    while follower.turn() or workers.run_once():
        pass


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
