"""Whom people act for."""

from typing import Any

from apikeys.models import Membership


def tenants_of_user(user: Any) -> list[str] | None:
    """List the tenants whose data a person may see; None for every tenant there is."""
    if user.has_perm("audit.view_every_tenant"):
        return None
    memberships = Membership.objects.filter(user_id=user.pk)
    return [str(each) for each in memberships.values_list("customer_id", flat=True)]
