"""JSON Schema keywords for fields, and references to other resources."""

from collections.abc import Hashable, Iterable
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeAlias, TypedDict, TypeVar, cast
from uuid import UUID

from django.urls import register_converter, reverse
from django.urls.converters import UUIDConverter

from audit.messages.values import as_stored

_Shape = TypeVar("_Shape")

# A placeholder for the id in a URL.
_ANY = str(UUID(int=0))


class AnyCaseConverter(UUIDConverter):
    """A UUID in a URL, in digits of either case (RFC 9562, 4)."""

    regex = "-".join(f"[0-9a-fA-F]{{{length}}}" for length in (8, 4, 4, 4, 12))


register_converter(AnyCaseConverter, "any_uuid")


class Keyword(NamedTuple):
    """A JSON Schema keyword that restricts a field beyond its type."""

    name: str
    value: Hashable


def one_of(values: Iterable[str]) -> Keyword:
    """Return the keyword for a field that has one of these values."""
    return Keyword("enum", tuple(values))


Uuid: TypeAlias = Annotated[str, Keyword("format", "uuid")]
Version: TypeAlias = Annotated[int, "The first part of the ETag."]
AbsoluteAddress: TypeAlias = Annotated[str, Keyword("format", "uri")]
Address: TypeAlias = Annotated[str, Keyword("format", "uri-reference")]


class Reference(TypedDict):
    """A subject of commands and events, by its type and id."""

    type: str
    id: str


class ActorReference(TypedDict):
    """An actor: `kind` is `user`, `api_key` or `system`; the label outlives the actor."""

    kind: str
    id: str
    label: str


class CommandReference(TypedDict):
    """A command and the URL of its status."""

    id: Uuid
    url: Address


def resource(shape: type[_Shape], row: Any, **computed: Any) -> _Shape:
    """Return the JSON of a row in its shape; fields that are not computed are its attributes."""
    names = shape.__annotations__
    fields = {name: computed[name] if name in computed else _plain(row, name) for name in names}
    return cast("_Shape", fields)


def _plain(row: Any, name: str) -> Any:
    """Return an attribute: JSON as the next read has it, so that the ETag is the same."""
    value = getattr(row, name)
    return as_stored(value) if isinstance(value, dict | list) else value


def reference(kind: str, identifier: str) -> Reference | None:
    """Return a reference to a subject, or None if ``kind`` is empty."""
    return {"type": kind, "id": identifier} if kind else None


def address(route: str, parameter: str, identifier: UUID) -> str:
    """Return the URL of a route for an id, like `reverse`, which takes 20 µs."""
    return _pattern(route, parameter).replace(_ANY, str(identifier))


def status_url(command_id: UUID) -> str:
    """Return the URL of a command's status."""
    return address("countersign:command-status", "command_id", command_id)


@cache
def _pattern(route: str, parameter: str) -> str:
    return reverse(route, kwargs={parameter: _ANY})
