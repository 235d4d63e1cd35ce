"""Customer membership."""

from typing import Any

from apikeys.models import Customer, Membership
from audit.domain import PreparedQuery, permission_granted_sql

_EVERY_TENANT = "audit.view_every_tenant"


_CUSTOMERS = PreparedQuery(f"""
    SELECT customer.id::text, customer.name
    FROM {Membership._meta.db_table} AS membership
    JOIN {Customer._meta.db_table} AS customer ON customer.id = membership.customer_id
    WHERE membership.user_id = %(user)s""")  # noqa: S608  # the names are ours


def tenants_of_user(user: Any) -> dict[str, str] | None:
    """Return ids and names of the tenants whose data the user may see; None for all tenants."""
    if user.has_perm(_EVERY_TENANT):
        return None
    return dict(_CUSTOMERS.logged_rows({"user": user.pk}))


def sees_tenant_sql(*, user: str, tenant: str) -> str:
    """Return an SQL expression: true if a user may see a tenant's data, as `tenants_of_user` says.

    ``user`` is the alias of the user's row, ``tenant`` an expression for the tenant's id.
    """
    return f"""(
        EXISTS (SELECT FROM {Membership._meta.db_table} AS membership
            WHERE membership.user_id = {user}.id AND membership.customer_id::text = {tenant})
        OR {permission_granted_sql(user, _EVERY_TENANT)}
    )"""  # the names are ours
