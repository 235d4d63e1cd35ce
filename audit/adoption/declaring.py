"""The declaration of commands that are requests: one class for each stored name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

from audit.adoption import replaying, sending
from audit.adoption.commands import SentRequest, ViewCommand
from audit.bus import handling
from audit.messages.classes import SubjectOf, declared_messages

_Kind = TypeVar("_Kind", bound=SentRequest)


def declare(
    given: str | ViewCommand,
    *,
    kind: type[_Kind],
    view: str,
    always_masked: Callable[[], tuple[str, ...]] = tuple,
) -> type[_Kind]:
    """Return the class of commands of a stored name; several views and methods may share it.

    :raises ImproperlyConfigured: if the name is that of another command, or a view declares it
        with other options.
    """
    declared = given if isinstance(given, ViewCommand) else ViewCommand(given)
    known = declared_messages.get(declared.name)
    if known is None:
        known = _made(declared, kind, view)
        handling.handles(known)(sending.execute)
        handling.precondition(known)(sending.try_first)
    if not issubclass(known, kind) or known.declared != declared:
        message = f"{declared.name} is declared twice, as different commands; also by {view}"
        raise ImproperlyConfigured(message)
    known.always_masked.append(lambda: (*declared.masks, *always_masked()))
    return known


def _made(declared: ViewCommand, kind: type[_Kind], view: str) -> type[_Kind]:
    id_field = "new_id" if declared.reserves else "subject_id"
    members = {
        "__annotations__": {},
        "__module__": kind.__module__,
        "__doc__": f"Send a request to {view}.",
        "message_type": declared.name,
        "sentence": declared.sentence,
        "declared": declared,
        "always_masked": [],
        "obstacle": replaying.obstacle,
        "subject": SubjectOf(declared.subject, id_field) if declared.subject else None,
    }
    name = "".join(part.capitalize() for part in declared.name.replace(".", "_").split("_"))
    return dataclass(frozen=True, kw_only=True)(type(name, (kind,), members))
