"""Customer membership."""

from typing import Any

from apikeys.models import Membership
from audit.domain import permission_granted_sql

_EVERY_TENANT = "audit.view_every_tenant"


def tenants_of_user(user: Any) -> list[str] | None:
    """Return the ids of the tenants whose data the user may see; None for all tenants."""
    if user.has_perm(_EVERY_TENANT):
        return None
    return [str(membership.customer_id) for membership in Membership.objects.every(user=user.pk)]


def sees_tenant_sql(*, user: str, tenant: str) -> str:
    """Return an SQL expression: true if a user may see a tenant's data, as `tenants_of_user` says.

    ``user`` is the alias of the user's row, ``tenant`` an expression for the tenant's id.
    """
    return f"""(
        EXISTS (SELECT FROM {Membership._meta.db_table} AS membership
            WHERE membership.user_id = {user}.id AND membership.customer_id::text = {tenant})
        OR {permission_granted_sql(user, _EVERY_TENANT)}
    )"""  # the names are ours
