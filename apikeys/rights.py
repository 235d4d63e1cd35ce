"""Escalation checks: a key, by its scopes and owner, may not exceed the rights of the actor."""

from collections.abc import Iterable

from django.contrib.auth import get_user_model

from audit.domain import SYSTEM, Actor, Forbidden, scopes_needed_for, scopes_not_covered


class BeyondOwnRights(Forbidden):
    """The key has more rights than you: you cannot grant rights that you lack."""

    title = "Beyond your rights"
    remedy = "Request fewer scopes, or ask a user who has them all to do this."


class NotInYourName(Forbidden):
    """A key acts on behalf of its owner: only its owner can create it."""

    title = "Not the owner"
    remedy = "Ask the owner to create the key, or create it in your own name."


def check_owner(actor: Actor, *, owner_id: int) -> None:
    """Check that the key acts for the actor itself. The system may create keys for others.

    :raises NotInYourName: if the owner is another person.
    """
    if actor.kind != SYSTEM.kind and actor.person_id != str(owner_id):
        raise NotInYourName


def check_not_beyond(actor: Actor, *, owner_id: int, key_scopes: Iterable[str]) -> None:
    """Check that the key could do nothing that the actor may not.

    :raises BeyondOwnRights: naming the scopes and permissions that the actor lacks.
    """
    if actor.kind == SYSTEM.kind:
        return
    wanted = frozenset(key_scopes)
    beyond = [] if actor.scopes is None else scopes_not_covered(wanted, actor.scopes)
    for permission in sorted(_permissions_of(owner_id, actor)):
        if wanted & scopes_needed_for(permission) and not actor.may(permission):
            beyond.append(permission)
    if beyond:
        raise BeyondOwnRights(f"The key has rights that you lack: {', '.join(beyond)}.")


def _permissions_of(owner_id: int, actor: Actor) -> frozenset[str]:
    if str(owner_id) == actor.person_id:
        return actor.permissions
    owner = get_user_model().objects.get(pk=owner_id)
    # An inactive owner may become active again, and with that all rights of the key.
    owner.is_active = True
    return frozenset(owner.get_all_permissions())
