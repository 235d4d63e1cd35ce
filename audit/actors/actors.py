"""Actors: users, API keys and the system."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import Model, Q, QuerySet
from django.utils.module_loading import import_string

from audit.actors import permissions, scopes
from audit.installation.settings import countersign
from audit.messages.characters import actor_name
from audit.messages.exceptions import Forbidden

_Row = TypeVar("_Row", bound=Model)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The user, key or system that sends a command, with its current rights.

    ``kind`` is user, api_key, system or an app's name for its own credentials. ``id`` is also the
    id of the actor's credential, so kind and id are enough to check later whether it is still
    valid. ``person_id`` is the user behind it: for a key, its owner. ``tenants`` None stands for
    every tenant; ``tenant_names`` has the known names of others by id. ``scopes`` None is no
    restriction: users and the system have only permissions.
    """

    kind: str
    id: str
    label: str
    person_id: str = ""
    tenants: frozenset[str] | None = frozenset()
    permissions: frozenset[str] = field(default=frozenset(), repr=False)
    scopes: frozenset[str] | None = None
    tenant_names: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    _read: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, read: "Callable[[Actor], _Value]") -> _Value:
        """Return what ``read`` returns for this actor, for callers of one HTTP request to share.

        Like the permissions, it is as of the beginning. Not for actors that outlive a request.
        """
        if read not in self._read:
            self._read[read] = read(self)
        value: _Value = self._read[read]
        return value

    def may(self, permission: str | None) -> bool:
        """Return True if the actor has the permission and a scope for it; True without one."""
        if permission is None:
            return True
        return permission in self.permissions and self.has_any_scope(scopes.needed_for(permission))

    def require(self, permission: str) -> None:
        """Require the permission.

        :raises Forbidden: if the actor lacks the permission.
        :raises InsufficientScope: if only the actor's credential lacks it.
        """
        if permission not in self.permissions:
            message = f"{actor_name(self.label)} lacks the permission {permission}."
            raise Forbidden(message)
        self.require_any_scope(scopes.needed_for(permission))

    def require_any_scope(self, needed: Collection[str]) -> None:
        """Require at least one of the scopes.

        :raises InsufficientScope: if the credential has no such scope.
        """
        if not self.has_any_scope(needed):
            raise scopes.InsufficientScope.lacking(needed)

    def has_any_scope(self, needed: Collection[str]) -> bool:
        """Return True if the actor is unrestricted or holds one of the scopes."""
        return self.scopes is None or not self.scopes.isdisjoint(needed)

    @property
    def is_confined(self) -> bool:
        """True if there are tenants that the actor may not see."""
        return self.tenants is not None

    @property
    def sees_several_tenants(self) -> bool:
        """True if a choice between tenants makes sense for the actor."""
        return self.tenants is None or len(self.tenants) > 1

    def named_tenants(self) -> list[str]:
        """Return the names of the tenants that the actor may see, if it may not see all of them.

        The id stands for a name that is not known.
        """
        return sorted(self.tenant_names.get(each, each) for each in self.tenants or ())

    def may_see(self, tenant: str) -> bool:
        """Return True if the actor may see the tenant's data."""
        return self.tenants is None or tenant in self.tenants

    def confine(
        self, rows: QuerySet[_Row], field: str = "tenant", *, also: Q | None = None
    ) -> QuerySet[_Row]:
        """Return the rows of the tenants that the actor may see, and those that ``also`` matches.

        Every query of rows that belong to tenants goes through here; a test enforces it.
        """
        if self.tenants is None:
            return rows
        return rows.filter((also or Q()) | Q(**{f"{field}__in": self.tenants}))

    def home_tenant(self) -> str:
        """Return the actor's tenant if it has exactly one, else an empty string."""
        return next(iter(self.tenants)) if self.tenants and len(self.tenants) == 1 else ""


class _EveryPermission(frozenset[str]):
    """The permissions of the system: it has all."""

    def __contains__(self, permission: object) -> bool:
        return True


SYSTEM = Actor(
    kind="system", id="system", label="system", tenants=None, permissions=_EveryPermission()
)


#: Callers without an account. They share one id, so no Idempotency-Key of theirs counts.
ANONYMOUS = Actor(kind="anonymous", id="anonymous", label="anonymous")


def actor_for_user(user: AbstractUser | AnonymousUser) -> Actor:
    """Build the actor for a user. Costs up to two queries."""
    if user.pk is None:
        return ANONYMOUS
    permissions.read_ahead(user)
    tenants = tenants_of_user(user)
    # A mapping has the names of the tenants as well.
    names = dict(tenants) if isinstance(tenants, Mapping) else {}
    return Actor(
        kind="user",
        id=str(user.pk),
        label=str(user),
        person_id=str(user.pk),
        tenants=None if tenants is None else frozenset(tenants),
        permissions=frozenset(user.get_all_permissions()),
        tenant_names=names,
    )


def tenants_of_user(user: Any) -> Iterable[str] | None:
    """Return the tenants whose data a user may see, as the project says; None for all."""
    name = countersign().tenants_of_user
    tenants: Iterable[str] | None = import_string(name)(user) if name else None
    return tenants
