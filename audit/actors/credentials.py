"""Credentials: who a stored credential stands for now."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from django.contrib.auth import get_user_model

from audit.actors import permissions
from audit.actors.actors import SYSTEM, Actor, actor_for_user
from audit.messages.declarations import declare
from audit.wire import pipeline, rows

_Function = TypeVar("_Function", bound=Callable[..., Any])


class LoadsActor(Protocol):
    """Tells who a credential stands for now, or None if it is no longer good."""

    def __call__(self, identifier: str, /) -> Actor | None: ...


_credentials: dict[str, LoadsActor] = {}


def credential(kind: str) -> Callable[[_Function], _Function]:
    """Declare the function that tells whom a credential of this kind stands for now."""

    def register(function: _Function) -> _Function:
        declare(_credentials, kind, function, what="credential")
        return function

    return register


def live_actor(kind: str, identifier: str) -> Actor | None:
    """Tell who the credential stands for now, or None if it is not good, or of no known kind."""
    load = _credentials.get(kind)
    return load(identifier) if load else None


@credential("user")
def live_user(identifier: str) -> Actor | None:
    """Build the actor of a person who is still active."""
    person = {"pk": int(identifier), "is_active": True}
    pipeline.prefetch(
        rows.selection(get_user_model(), **person), permissions.selection(user_id=person["pk"])
    )
    user = rows.find(get_user_model(), **person)
    return actor_for_user(user) if user else None


@credential("system")
def live_system(identifier: str) -> Actor | None:
    """Build the actor of the system, which is always there."""
    return SYSTEM if identifier == SYSTEM.id else None
