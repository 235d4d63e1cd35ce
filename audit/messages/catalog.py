"""The catalog of message types: their classes by stored name, and their upcasters."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from django.conf import settings

from audit.messages.classes import Message, declared_messages
from audit.messages.declarations import declaring

_Function = TypeVar("_Function", bound=Callable[..., Any])


class UnknownMessageType(LookupError):
    """No message class has this name or alias."""


_upcasters: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}


def upcasts(message_type: str, *, from_version: int) -> Callable[[_Function], _Function]:
    """Declare the conversion of stored data from one schema version to the next.

    The data is that of a message type or, under the name of a process, its state. The function
    takes and returns a dict of field names and values. It sees stored JSON and stored payloads, so
    it may move and add values but not rely on their Python types.
    """
    return declaring(_upcasters, (message_type, from_version), what="upcaster")


def import_routes() -> None:
    """Import the project's routes: views that are commands declare these where they are defined."""
    if settings.ROOT_URLCONF not in sys.modules:
        import_module(settings.ROOT_URLCONF)


def message_class(name: str) -> type[Message]:
    """Return the class of a stored message type.

    :raises UnknownMessageType: if no class has that name or alias.
    """
    if name not in declared_messages:
        import_routes()
    try:
        return declared_messages[name]
    except KeyError:
        raise UnknownMessageType(name) from None


def message_classes() -> list[type[Message]]:
    """Return every message class, sorted by name."""
    return sorted(set(declared_messages.values()), key=lambda each: each.message_type)


def restore(name: str, version: int, data: dict[str, Any]) -> Message:
    """Build a message from stored data, lifted to the current schema version.

    :raises UnknownMessageType: if no class has that name or alias, or an upcaster is missing.
    :raises Invalid: if the lifted data does not fit the class.
    """
    found = message_class(name)
    return found.restore(lifted(found.message_type, version, data, to=found.schema_version))


def lifted(name: str, version: int, data: dict[str, Any], *, to: int) -> dict[str, Any]:
    """Return stored data, lifted from one schema version to a later one.

    :raises UnknownMessageType: if an upcaster is missing.
    """
    for step in range(version, to):
        upcast = _upcasters.get((name, step))
        if upcast is None:
            message = f"no upcaster lifts {name} from version {step}"
            raise UnknownMessageType(message)
        data = upcast(dict(data))
    return data
