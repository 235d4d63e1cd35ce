"""Declarations: tables that the modules of apps fill when they are imported."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured


def declare(table: dict[Any, Any], key: Any, value: Any, *, what: str) -> None:
    """Add a value under its key.

    :raises ImproperlyConfigured: if the key already has another value.
    """
    declared = table.setdefault(key, value)
    if declared is not value:
        message = f"{what} {key!r} is declared twice: {declared!r} and {value!r}"
        raise ImproperlyConfigured(message)
