"""Commands whose handlers run a function of the test, and middleware that fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apikeys.models import ApiKey
from audit.bus.context import Context
from audit.bus.handling import handles
from audit.bus.middleware import Next
from audit.messages.classes import Command, Event, SubjectOf
from audit.messages.outcomes import Outcome

Deed = Callable[[Any, Context], Any]

_deeds: dict[str, Deed] = {}
_outages: list[Exception] = []


class Broken(Exception):
    """The exception that tests raise to simulate a failure."""


@dataclass(frozen=True, kw_only=True)
class Probe(Command):
    """Do to an API key what a test says."""

    message_type = "tests.probe"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    deed: str


@dataclass(frozen=True, kw_only=True)
class LockingProbe(Command):
    """Do to an API key what a test says, first of all under a lock."""

    message_type = "tests.locking_probe"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    deed: str


@dataclass(frozen=True, kw_only=True)
class Probed(Event):
    """A test has done to an API key what it said."""

    message_type = "tests.probed"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID


@handles(LockingProbe, locks=ApiKey)
def locking_probe(command: LockingProbe, context: Context) -> Any:
    return _deeds[command.deed](command, context)


@handles(Probe)
def probe(command: Probe, context: Context) -> Any:
    result = _deeds[command.deed](command, context)
    context.emit(Probed(api_key_id=command.api_key_id))
    return result


def deed(function: Deed) -> Deed:
    """Register a function that a probe can name; no other module may use its name."""
    former = _deeds.get(function.__name__, function)
    assert former.__module__ == function.__module__
    _deeds[function.__name__] = function
    return function


def to(function: Deed, api_key_id: UUID) -> Probe:
    """Return the command that runs a deed."""
    return Probe(api_key_id=api_key_id, deed=function.__name__)


def locking(function: Deed, api_key_id: UUID) -> LockingProbe:
    """Return the command that runs a deed after its first statement has locked the key."""
    return LockingProbe(api_key_id=api_key_id, deed=function.__name__)


def break_before(command: Command, context: Context, call_next: Next) -> Outcome:
    """Raise before the rest of the middleware runs."""
    raise Broken("on the way in")


def break_after(command: Command, context: Context, call_next: Next) -> Outcome:
    """Raise after the rest of the middleware has run."""
    call_next(command, context)
    raise Broken("on the way out")


@deed
def disable_and_break(command: Probe, context: Context) -> None:
    """Disable the key, then raise."""
    ApiKey.objects.get(pk=command.api_key_id).disable()
    raise Broken("after the change")


@deed
def change_the_name(command: Probe, context: Context) -> None:
    """Rename the key in the database, without history or events."""
    ApiKey.objects.filter(pk=command.api_key_id).update(name="renamed")


@deed
def rename_unless_down(command: Probe, context: Context) -> None:
    """Rename the key in the database, then raise the error of the `outage`, if there is one."""
    change_the_name(command, context)
    if _outages:
        raise _outages[0]


@contextmanager
def outage(error: Exception) -> Iterator[None]:
    """Let `rename_unless_down` fail with an error, in every thread."""
    _outages.append(error)
    try:
        yield
    finally:
        _outages.clear()
