"""Queries for delegations, with whether each was ended early."""

from typing import Any

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from approvals.models import Delegation
from approvals.models.eligibility import IS_ENDED
from audit.actors.actors import Actor
from audit.subjects.types import decides_visibility

#: The permission to see the delegations of others.
VIEW = "approvals.view_policy"
_IS_ENDED = IS_ENDED.replace("delegation.id", '"approvals_delegation"."id"')


def delegations() -> QuerySet[Any]:
    """Return all delegations, each with ``is_ended``."""
    ended = RawSQL(_IS_ENDED, (), BooleanField())  # noqa: S611  # of our own names
    rows: QuerySet[Any] = Delegation.objects.annotate(is_ended=ended)
    return rows


def visible_to(actor: Actor) -> QuerySet[Any]:
    """Return the delegations from or to the actor; those of others as `may_see` has it."""
    return delegations() if _sees_others(actor) else concerning(actor)


def concerning(actor: Actor) -> QuerySet[Any]:
    """Return the delegations from or to a user."""
    if actor.kind != "user":
        return delegations().none()
    person_id = int(actor.person_id)
    return delegations().filter(delegator=person_id) | delegations().filter(delegate=person_id)


@decides_visibility("delegation")
def may_see(delegation: Delegation, actor: Actor) -> bool:
    """Return True if the actor may see a delegation.

    It belongs to no customer, so those of others are for users who see every customer.
    """
    return concerns(delegation, actor) or _sees_others(actor)


def _sees_others(actor: Actor) -> bool:
    return actor.may(VIEW) and not actor.is_confined


def concerns(delegation: Delegation, actor: Actor) -> bool:
    """Return True if the actor is the delegator or the delegate."""
    people = {str(delegation.delegator_id), str(delegation.delegate_id)}
    return actor.kind == "user" and actor.person_id in people


def is_ended(delegation: Delegation) -> bool:
    """Return True if a delegation was ended early."""
    return bool(delegations().get(pk=delegation.pk).is_ended)
