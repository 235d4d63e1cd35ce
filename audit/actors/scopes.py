"""Scopes: the restrictions of a credential, on top of the permissions of its owner.

``read`` and ``write`` cover everything, ``keys:read`` and ``keys:write`` one resource. An app sets
the name of its resource by ``scope_resource`` in its AppConfig; the default is the app's label.
``explicit_scopes`` there maps permissions to scopes that no other scope includes:
``verify_apikey`` needs ``keys:verify``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from django.apps import apps

from audit.messages.exceptions import Forbidden

READ = "read"
WRITE = "write"


class InsufficientScope(Forbidden):
    """The credential's scopes do not allow this."""

    remedy = "Use a key with one of the scopes that the detail names."

    @classmethod
    def lacking(cls, needed: Collection[str]) -> InsufficientScope:
        """Build the error for a credential that needs one of these scopes."""
        return cls(f"This needs the scope {' or '.join(sorted(needed))}.")


@cache
def needed_for(permission: str) -> frozenset[str]:
    """Return the scopes of which any one is enough to use the permission."""
    label, _, codename = permission.partition(".")
    explicit = _explicit(label).get(codename)
    if explicit:
        return frozenset({f"{_resource(label)}:{explicit}"})
    verb = READ if codename.startswith("view_") else WRITE
    return frozenset({verb, f"{_resource(label)}:{verb}"})


def of_app(label: str) -> frozenset[str]:
    """Return every scope of an app's resource."""
    verbs = (READ, WRITE, *_explicit(label).values())
    return frozenset(f"{_resource(label)}:{verb}" for verb in verbs)


def not_covered(wanted: Iterable[str], held: Collection[str]) -> list[str]:
    """Return the wanted scopes that the held ones do not include."""
    return sorted(scope for scope in set(wanted) if not _including(scope) & set(held))


def _including(scope: str) -> set[str]:
    verb = scope.rpartition(":")[2]
    return {scope, verb} if verb in (READ, WRITE) else {scope}


@cache
def needed_to_write(label: str) -> frozenset[str]:
    """Return the scopes of which any one is enough to send an app's commands."""
    return frozenset({WRITE, f"{_resource(label)}:{WRITE}"})


def _resource(label: str) -> str:
    return str(getattr(_app(label), "scope_resource", label))


def _explicit(label: str) -> dict[str, str]:
    return getattr(_app(label), "explicit_scopes", {})


def _app(label: str) -> Any:
    # The first part of a message type need not be an app, as in the tests.
    return apps.app_configs.get(label)
