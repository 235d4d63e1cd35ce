"""Declarations of processes: their names, keys, events, steps and permissions."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar, get_origin, get_type_hints

from django.core.exceptions import ImproperlyConfigured

from audit.actors.actors import Actor
from audit.actors.credentials import credential
from audit.messages.classes import Event, codecs
from audit.messages.declarations import declare
from audit.messages.values import Codec, codec
from audit.reactions.processes.process import Process

_Function = TypeVar("_Function", bound=Callable[..., object])

ACTOR_KIND = "process"
_processes: dict[str, "Declared"] = {}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A process: its class, and what its decorators say.

    ``reactions`` are the names of its methods by type of event, also by alias; ``intervals`` those
    of the steps that are repeated. If it ``is_long``, its only step is taken outside of
    transactions.
    """

    name: str
    key: str
    process_class: type[Process]
    actor: Actor
    fields: dict[str, Codec]
    reactions: dict[str, str]
    intervals: dict[str, timedelta]
    is_long: bool = False

    def key_of(self, event: Event) -> str | None:
        """Return the key of the instance that an event is for, or None if it is for none."""
        value = getattr(event, self.key) if self.key else ""
        return None if value is None else str(value)


def on(*events: type[Event]) -> Callable[[_Function], _Function]:
    """Declare the method of a process that is called with each event of these classes."""

    def register(function: _Function) -> _Function:
        vars(function)["process_events"] = events
        return function

    return register


def every(interval: timedelta) -> Callable[[_Function], _Function]:
    """Declare a step that a process without a key repeats, for the first time at once.

    The interval is that between two beginnings. `Process.at` brings the next one forward.
    """

    def register(function: _Function) -> _Function:
        vars(function)["process_interval"] = interval
        return function

    return register


def processes() -> list[Declared]:
    """Return every process, sorted by name."""
    return [_processes[name] for name in sorted(_processes)]


def find(name: str) -> Declared | None:
    """Return the process of that name, or None if no app declares it."""
    return _processes.get(name)


@credential(ACTOR_KIND)
def current_actor(name: str) -> Actor | None:
    """Return the actor of a process, or None if no app declares it."""
    found = find(name)
    return found.actor if found else None


def declare_process(
    name: str, *, key: str, process_class: type[Process], permissions: Collection[str]
) -> Declared:
    """Register a process.

    :raises ImproperlyConfigured: if the class, or one of its events, does not fit.
    """
    declared = _declared(name, key, process_class, permissions)
    declare(_processes, name, declared, what="process")
    return declared


def declare_long_process(name: str, *, permissions: Collection[str]) -> Declared:
    """Register a process whose only step is taken outside of transactions."""
    declared = replace(_declared(name, "", Process, permissions), is_long=True)
    declare(_processes, name, declared, what="process")
    return declared


def _declared(
    name: str, key: str, process_class: type[Process], permissions: Collection[str]
) -> Declared:
    methods = {each: getattr(process_class, each) for each in dir(process_class)}
    intervals = _marked(methods, "process_interval")
    if key and intervals:
        message = f"the process {name!r} has a key, so no step of it can be repeated"
        raise ImproperlyConfigured(message)
    return Declared(
        name=name,
        key=key,
        process_class=process_class,
        actor=Actor(
            kind=ACTOR_KIND,
            id=name,
            label=f"{ACTOR_KIND}:{name}",
            tenants=None,
            permissions=frozenset(permissions),
        ),
        fields=_fields(name, process_class),
        reactions=_reactions(name, key, _marked(methods, "process_events")),
        intervals=intervals,
    )


def _marked(methods: dict[str, Any], mark: str) -> dict[str, Any]:
    return {
        name: found
        for name, method in methods.items()
        if (found := getattr(method, mark, None)) is not None
    }


def _reactions(name: str, key: str, marked: dict[str, tuple[type[Event], ...]]) -> dict[str, str]:
    reactions: dict[str, str] = {}
    for method, events in marked.items():
        for event in events:
            if key and key not in codecs(event):
                message = f"{event.__qualname__} has no field {key}, the key of process {name!r}"
                raise ImproperlyConfigured(message)
            for stored in (event.message_type, *event.aliases):
                declare(reactions, stored, method, what=f"method of process {name!r} for event")
    return reactions


def _fields(name: str, process_class: type[Process]) -> dict[str, Codec]:
    hints = get_type_hints(process_class)
    fields = {
        each: codec(hint)
        for each, hint in hints.items()
        if each not in Process.__annotations__ and get_origin(hint) is not ClassVar
    }
    for each in fields:
        if not hasattr(process_class, each):
            message = f"the field {each} of process {name!r} needs a default"
            raise ImproperlyConfigured(message)
    return fields
