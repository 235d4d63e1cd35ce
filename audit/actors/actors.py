"""Who does things: a user, an API key or the system itself."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import Model, Q, QuerySet
from django.utils.module_loading import import_string

from audit.actors import permissions, scopes
from audit.messages.exceptions import Forbidden

_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and what that one may do at this moment.

    ``kind`` is user, api_key, system, or whatever an app calls its own credentials. ``id`` is also
    the id of the credential that the actor came with, so kind and id are enough to ask later
    whether it is still good. ``person_id`` is the user behind it: for a key, its owner.
    ``tenants`` None stands for every tenant. ``scopes`` None confines to nothing: people and the
    system are as good as their permissions.
    """

    kind: str
    id: str
    label: str
    person_id: str = ""
    tenants: frozenset[str] | None = frozenset()
    permissions: frozenset[str] = field(default=frozenset(), repr=False)
    scopes: frozenset[str] | None = None

    def may(self, permission: str | None) -> bool:
        """Tell whether the actor has a permission and the scope to use it; None needs neither."""
        if permission is None:
            return True
        return permission in self.permissions and self.has_any_scope(scopes.needed_for(permission))

    def require(self, permission: str) -> None:
        """Refuse whoever may not.

        :raises Forbidden: if the actor lacks the permission.
        :raises InsufficientScope: if only the credential that it came with does.
        """
        if permission not in self.permissions:
            message = f"{self.label} lacks the permission {permission}."
            raise Forbidden(message)
        self.require_any_scope(scopes.needed_for(permission))

    def require_any_scope(self, needed: Collection[str]) -> None:
        """Refuse a credential that is confined to other things.

        :raises InsufficientScope: if it has none of the scopes.
        """
        if not self.has_any_scope(needed):
            raise scopes.InsufficientScope.lacking(needed)

    def has_any_scope(self, needed: Collection[str]) -> bool:
        """Tell whether the actor is confined to nothing, or has one of the scopes."""
        return self.scopes is None or not self.scopes.isdisjoint(needed)

    @property
    def is_confined(self) -> bool:
        """Whether there are tenants that the actor may not see."""
        return self.tenants is not None

    @property
    def sees_several_tenants(self) -> bool:
        """Whether a choice between tenants makes sense for the actor."""
        return self.tenants is None or len(self.tenants) > 1

    def may_see(self, tenant: str) -> bool:
        """Tell whether what belongs to a tenant is this actor's to see."""
        return self.tenants is None or tenant in self.tenants

    def confine(
        self, rows: QuerySet[_Row], field: str = "tenant", *, also: Q | None = None
    ) -> QuerySet[_Row]:
        """Return the rows of the tenants that the actor may see, and those that ``also`` matches.

        Every query of rows that belong to tenants goes through here; a test holds that.
        """
        if self.tenants is None:
            return rows
        return rows.filter((also or Q()) | Q(**{f"{field}__in": self.tenants}))

    def home_tenant(self) -> str:
        """Name the tenant that the actor belongs to, where it is but one; otherwise nothing."""
        return next(iter(self.tenants)) if self.tenants and len(self.tenants) == 1 else ""


class _EveryPermission(frozenset[str]):
    """The permissions of the system itself."""

    def __contains__(self, permission: object) -> bool:
        return True


SYSTEM = Actor(
    kind="system", id="system", label="system", tenants=None, permissions=_EveryPermission()
)


def actor_for_user(user: AbstractUser | AnonymousUser) -> Actor:
    """Build the actor that a signed-in person is. Costs up to two queries."""
    permissions.read_ahead(user)
    tenants: Iterable[str] | None = import_string(settings.AUDIT_TENANTS_OF_USER)(user)
    return Actor(
        kind="user",
        id=str(user.pk),
        label=str(user),
        person_id=str(user.pk),
        tenants=None if tenants is None else frozenset(tenants),
        permissions=frozenset(user.get_all_permissions()),
    )
