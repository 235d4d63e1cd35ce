"""Declarations: tables that the modules of apps fill when they are imported."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured

_Declared = TypeVar("_Declared")


def declaring(table: dict[Any, Any], *keys: Any, what: str) -> Callable[[_Declared], _Declared]:
    """Return a decorator that adds the decorated object under its keys."""

    def register(declared: _Declared) -> _Declared:
        for key in keys:
            declare(table, key, declared, what=what)
        return declared

    return register


def declare(table: dict[Any, Any], key: Any, value: Any, *, what: str) -> None:
    """Add a value under its key.

    :raises ImproperlyConfigured: if the key already has another value.
    """
    declared = table.setdefault(key, value)
    if declared is not value:
        message = f"{what} {key!r} is declared twice: {declared!r} and {value!r}"
        raise ImproperlyConfigured(message)
