"""Events, and functions that note which of them they get."""

from dataclasses import dataclass

from django.db.models.functions import Now

from audit.bus.handling import handles
from audit.log import feed
from audit.log.feed import Place
from audit.messages.classes import Command, Event, SubjectOf
from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from audit.reactions.declarations import find, reacts_to
from tests.conftest import completed
from tests.threads import until


@dataclass(frozen=True, kw_only=True)
class Touched(Event):
    """A thing was touched."""

    message_type = "test.touched"
    subject = SubjectOf("thing", "thing_id")
    thing_id: str


@dataclass(frozen=True, kw_only=True)
class Touch(Command):
    """Touch things, in this order."""

    message_type = "test.touch"
    things: tuple[str, ...]


@handles(Touch)
def touch(command, context):
    for each in command.things:
        context.emit(Touched(thing_id=each))


class Handler:
    """A function that notes the events that it gets, and fails for some."""

    def __init__(self):
        self.got, self.calls, self.failing, self.attempts = [], 0, set(), []

    def __call__(self, event, delivery):
        self.calls += 1
        self.attempts.append(delivery.attempt)
        if (event.thing_id, delivery.number) in self.failing:
            message = "it failed\nfor " + event.thing_id
            raise RuntimeError(message)
        self.got.append((event.thing_id, delivery.number))


def subscribed(handler, **options):
    reacts_to(Touched, name="test.things", **{"backoff": (300, 300), **options})(handler)
    return find("test.things")


def touched(*things):
    completed(Touch(things=things))


def settled_horizon():
    """Return a horizon after all events; other transactions may hold it back for a moment."""
    found = []

    def is_settled():
        found.append(feed.horizon(Place()).place)
        return not EventRecord.objects.filter(feed.DELIVERY.behind(found[-1])).exists()

    until(is_settled)
    return found[-1]


def let_setbacks_be_due():
    Setback.objects.filter(state="retrying").update(next_try_at=Now())
