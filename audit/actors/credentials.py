"""Credentials: the current actor for a stored kind and id."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth import get_user_model

from audit.actors import permissions
from audit.actors.actors import ANONYMOUS, SYSTEM, Actor, actor_for_user
from audit.messages.declarations import declaring
from audit.wire import pipeline, rows

_Function = TypeVar("_Function", bound=Callable[..., Any])


_credentials: dict[str, Callable[[str], Actor | None]] = {}


def credential(kind: str) -> Callable[[_Function], _Function]:
    """Declare the function that returns the current actor of a credential of this kind, or None."""
    return declaring(_credentials, kind, what="credential")


def live_actor(kind: str, identifier: str) -> Actor | None:
    """Return the credential's current actor, or None if it is invalid or of an unknown kind."""
    load = _credentials.get(kind)
    return load(identifier) if load else None


@credential("user")
def live_user(identifier: str) -> Actor | None:
    """Return the actor of a user, or None if the user is not active."""
    person = {"pk": int(identifier), "is_active": True}
    pipeline.prefetch(
        rows.selection(get_user_model(), **person), permissions.selection(user_id=person["pk"])
    )
    user = rows.find(get_user_model(), **person)
    return actor_for_user(user) if user else None


@credential("system")
def live_system(identifier: str) -> Actor | None:
    """Return the actor of the system, or None for any id except its own."""
    return SYSTEM if identifier == SYSTEM.id else None


@credential("anonymous")
def live_anonymous(identifier: str) -> Actor | None:
    """Return the actor of callers without an account."""
    return ANONYMOUS if identifier == ANONYMOUS.id else None
