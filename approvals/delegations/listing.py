"""Queries for delegations, with whether each was ended early, and for possible delegates."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from approvals.models import Delegation
from approvals.models.eligibility import IS_ENDED, can_sign_in
from approvals.people.roles import VIEW_REQUESTS
from audit.actors import permissions
from audit.actors.actors import Actor
from audit.installation import users
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


def group_names(delegations: Collection[Delegation]) -> dict[UUID, list[str]]:
    """Return the names of the groups of each delegation, by one query."""
    groups = {group for each in delegations for group in each.groups}
    names = dict(Group.objects.filter(pk__in=groups).values_list("pk", "name"))
    return {
        each.pk: sorted(names[group] for group in each.groups if group in names)
        for each in delegations
    }


def possible_delegates() -> QuerySet[User]:
    """Return the people who can sign in and may view approval requests."""
    granted = permissions.granted_to(VIEW_REQUESTS).values("pk")
    return users.manager().filter(can_sign_in(), Q(is_superuser=True) | Q(pk__in=granted))
