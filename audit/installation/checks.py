"""System checks of settings: the keys in COUNTERSIGN are set, and other databases are known."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's
from django.db import DEFAULT_DB_ALIAS

from audit.installation.settings import KEYS, given

_HOW = "Set it in COUNTERSIGN to what `openssl rand -base64 32` prints, decoded: docs/settings.md."


@register(Tags.security)
def check_keys(**_: Any) -> list[CheckMessage]:
    """Warn of keys that are derived from SECRET_KEY, whose rotation would lose them."""
    return [
        Warning(
            f"{name} is derived from SECRET_KEY: what it has signed becomes invalid with the next "
            "SECRET_KEY.",
            hint=_HOW,
            id="countersign.W001",
        )
        for name in _derived_keys()
    ]


@register(Tags.security, deploy=True)
def check_keys_in_production(**_: Any) -> list[CheckMessage]:
    """Check that every key is set in production."""
    return [
        Error(f"{name} is not set, and derived from SECRET_KEY.", hint=_HOW, id="countersign.E001")
        for name in _derived_keys()
    ]


@register(Tags.database)
def check_other_databases(**_: Any) -> list[CheckMessage]:
    """Warn of databases that are no part of the transaction of a command."""
    return [
        Warning(
            f"What a command writes to {alias!r} stays there if the command is rolled back.",
            hint="Write there in transaction.on_commit, or silence this check.",
            id="countersign.W002",
        )
        for alias, database in settings.DATABASES.items()
        if _place(database) != _place(settings.DATABASES[DEFAULT_DB_ALIAS])
    ]


def _place(database: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(database.get(name) for name in ("ENGINE", "HOST", "PORT", "NAME"))


def _derived_keys() -> list[str]:
    return [name for name in KEYS if name not in given()]
