"""Customer membership."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from apikeys.models import Membership


def tenants_of_user(user: Any) -> list[str] | None:
    """Return the ids of the tenants whose data the user may see; None for all tenants."""
    if user.has_perm("audit.view_every_tenant"):
        return None
    return [str(membership.customer_id) for membership in Membership.objects.every(user=user.pk)]


def people_of_tenant(tenant: str, *, among: Collection[int]) -> set[int]:
    """Return the active users, among these, who may see the tenant's data: always two queries."""
    people = User.objects.filter(pk__in=among, is_active=True)
    members = people.filter(membership__customer=UUID(tenant))
    seeing_all = User.objects.with_perm("audit.view_every_tenant").filter(pk__in=among)
    return {*members.values_list("pk", flat=True), *seeing_all.values_list("pk", flat=True)}
