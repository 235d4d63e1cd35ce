"""Commands that fill the log: one of them can have any number of events."""

from dataclasses import dataclass

import pytest

from audit.bus.handling import handles
from audit.messages.classes import Command, Event
from tests.conftest import completed
from tests.transparency import last_checkpoint, sequence


@dataclass(frozen=True, kw_only=True)
class Fill(Command):
    """Fill the log."""

    message_type = "test.fill"

    events: int


@dataclass(frozen=True, kw_only=True)
class Filled(Event):
    """The log was filled."""

    message_type = "test.filled"

    number: int


@handles(Fill)
def fill(command, context):
    for number in range(command.events):
        context.emit(Filled(number=number))


@pytest.fixture
def fill_log():
    """A function that adds a command with some events to the log; returns the checkpoint."""

    def add(events=2, *, limit=2_000):
        completed(Fill(events=events))
        sequence(limit=limit)
        return last_checkpoint()

    return add
