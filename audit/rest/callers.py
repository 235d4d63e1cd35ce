"""The HTTP representation of the caller."""

from typing import Annotated, TypedDict

from rest_framework.request import Request

from audit.actors.actors import Actor
from audit.entry.requests import actor_of_request


class Caller(TypedDict):
    """The caller, with its customers and rights."""

    kind: str
    id: str
    label: str
    person_id: str
    tenants: Annotated[list[str] | None, "Null means every tenant."]
    permissions: list[str]
    scopes: Annotated[list[str] | None, "The scopes of the key; null for users."]


def actor_of(request: Request) -> Actor:
    """Return the caller: the credential of the request, or the signed-in user."""
    auth = request.auth
    return auth if isinstance(auth, Actor) else actor_of_request(request._request)


def caller(who: Actor) -> Caller:
    """Return the representation of an actor."""
    return {
        "kind": who.kind,
        "id": who.id,
        "label": who.label,
        "person_id": who.person_id,
        "tenants": None if who.tenants is None else sorted(who.tenants),
        "permissions": sorted(who.permissions),
        "scopes": None if who.scopes is None else sorted(who.scopes),
    }
