"""Scopes: what a credential is confined to, whatever the person behind it may do.

``read`` and ``write`` are for everything, ``keys:read`` and ``keys:write`` for one resource. An
app names its resource by ``scope_resource`` in its AppConfig, else by its label. What it lists
there in ``explicit_scopes``, by permission, no other scope includes: ``verify_apikey`` needs
``keys:verify``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps

from audit.bus import handling as registry
from audit.messages.exceptions import Forbidden

if TYPE_CHECKING:
    from audit.messages.classes import Command

READ = "read"
WRITE = "write"


class InsufficientScope(Forbidden):
    """The scopes of this credential do not include that."""

    remedy = "Use a key with one of the scopes that the detail names."

    @classmethod
    def lacking(cls, needed: Collection[str]) -> InsufficientScope:
        """Name the scopes any of which would do."""
        return cls(f"This needs the scope {' or '.join(sorted(needed))}.")


@cache
def needed_for(permission: str) -> frozenset[str]:
    """Name the scopes any of which lets a permission be used."""
    label, _, codename = permission.partition(".")
    explicit = _explicit(label).get(codename)
    if explicit:
        return frozenset({f"{_resource(label)}:{explicit}"})
    verb = READ if codename.startswith("view_") else WRITE
    return frozenset({verb, f"{_resource(label)}:{verb}"})


def needed_by(command_class: type[Command]) -> frozenset[str]:
    """Name the scopes any of which lets a command be sent.

    Whoever sends a command writes, also where it takes no permission.
    """
    if command_class.required_permission:
        return needed_for(command_class.required_permission)
    return _needed_to_write(command_class.message_type.partition(".")[0])


def known() -> frozenset[str]:
    """Name every scope there is."""
    labels = {each.message_type.partition(".")[0] for each in registry.command_classes()}
    of_resources = {f"{_resource(label)}:{verb}" for label in labels for verb in (READ, WRITE)}
    explicit = {f"{_resource(label)}:{verb}" for label in labels for verb in _explicit_verbs(label)}
    return frozenset({READ, WRITE} | of_resources | explicit)


def not_covered(wanted: Iterable[str], held: Collection[str]) -> list[str]:
    """Pick the scopes that reach further than those that are held."""
    return sorted(scope for scope in set(wanted) if not _including(scope) & set(held))


def _including(scope: str) -> set[str]:
    verb = scope.rpartition(":")[2]
    return {scope, verb} if verb in (READ, WRITE) else {scope}


@cache
def _needed_to_write(label: str) -> frozenset[str]:
    return frozenset({WRITE, f"{_resource(label)}:{WRITE}"})


def _resource(label: str) -> str:
    return str(getattr(_app(label), "scope_resource", label))


def _explicit(label: str) -> dict[str, str]:
    return getattr(_app(label), "explicit_scopes", {})


def _explicit_verbs(label: str) -> Iterable[str]:
    return _explicit(label).values()


def _app(label: str) -> Any:
    # Message types may begin with a name that is no app's, as those of the tests do.
    return apps.app_configs.get(label)
