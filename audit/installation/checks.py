"""System checks of the project: databases, user model, and the keys of COUNTERSIGN."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, ProgrammingError, connections, router
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import IntegerField
from django.utils.module_loading import import_string

from audit.installation import labels, users
from audit.installation.settings import KEYS, countersign, given

_OF_USERS = ("password", "is_active", "is_superuser", "groups", "user_permissions")
_MIXIN = "Derive it from AbstractBaseUser and PermissionsMixin, or from AbstractUser."
_HOW = "Set it in COUNTERSIGN to what `openssl rand -base64 32` prints, decoded: docs/settings.md."


@register()
def check_engine(**_: Any) -> list[CheckMessage]:
    """Check that the default database is PostgreSQL: history, locks and triggers need it."""
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    message = f"The default database is {vendor}. Countersign needs PostgreSQL 15 or later."
    hint = "Set DATABASES to PostgreSQL, also for tests: “Tests on SQLite” in docs/adopt.md."
    return [] if vendor == "postgresql" else [Error(message, hint=hint, id="countersign.E003")]


def refuse_other_engines(*, using: str, **_: Any) -> None:
    """Check before the first migration: test runners migrate without system checks.

    :raises ImproperlyConfigured: if the database is not PostgreSQL and our tables belong there.
    """
    vendor = connections[using].vendor
    if vendor != "postgresql" and router.allow_migrate(using, "audit"):
        raise ImproperlyConfigured(
            f"The database {using!r} is {vendor}. Countersign needs PostgreSQL 15 or later: see "
            "“Tests on SQLite” in docs/adopt.md. For a further database, let a router of "
            "DATABASE_ROUTERS exclude audit and approvals from it."
        )


@register()
def check_user_model(**_: Any) -> list[CheckMessage]:
    """Check that users have an integer key and the fields of PermissionsMixin."""
    user = get_user_model()
    lacking = [name for name in _OF_USERS if not users.field_or_none(name)]
    problems = [f"lacks the fields {', '.join(lacking)}"] if lacking else []
    if not isinstance(user._meta.pk, IntegerField):
        problems.append("has a primary key that is not an integer")
    if not lacking and _related_name(user) != "user":
        problems.append("does not have the field groups of PermissionsMixin")
    return [
        Error(f"The user model {user._meta.label} {each}.", hint=_MIXIN, id="countersign.E004")
        for each in problems
    ]


def _related_name(user: Any) -> str:
    return str(user._meta.get_field("groups").related_query_name())


@register(Tags.security)
def check_keys(**_: Any) -> list[CheckMessage]:
    """Warn of keys that are derived from SECRET_KEY, whose rotation would lose them."""
    return [
        Warning(
            f"{name} is derived from SECRET_KEY: what it has signed or encrypted becomes invalid "
            "with the next SECRET_KEY.",
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


@register()
def check_replay_middleware(**_: Any) -> list[CheckMessage]:
    """Check that the middleware of requests that are sent again can be imported."""
    found: list[CheckMessage] = []
    for name in countersign().replay_middleware:
        try:
            import_string(name)
        except ImportError as error:
            hint = "Correct REPLAY_MIDDLEWARE in COUNTERSIGN."
            found.append(Error(str(error), hint=hint, id="countersign.E009"))
    return found


@register(Tags.security, deploy=True)
def check_private_webhooks(**_: Any) -> list[CheckMessage]:
    """Check that webhooks cannot reach what only this machine or its network can reach."""
    if not countersign().webhook_allow_private:
        return []
    message = "WEBHOOK_ALLOW_PRIVATE lets customers send requests to your own network."
    hint = "Remove it: it is for a first try and for tests."
    return [Error(message, hint=hint, id="countersign.E007")]


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


@register(Tags.database)
def check_labels(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that migrations recorded with our labels are ours: another app may have had them."""
    return [
        Error(
            f"The migrations of {label} in the database {alias!r} are those of another app.",
            hint=labels.HOW,
            id="countersign.E008",
        )
        for alias in databases or ()
        if connections[alias].vendor == "postgresql"
        for label in _labels_of_others(connections[alias])
    ]


def _labels_of_others(connection: Any) -> list[str]:
    """Return our labels whose first migration is recorded while none of our tables is there."""
    tables = set(connection.introspection.table_names())
    try:
        applied = {app for app, _ in MigrationRecorder(connection).applied_migrations()}
    except ProgrammingError:
        # A run was interrupted before it granted the privileges.
        return []
    return [
        app.label
        for app in apps.get_app_configs()
        if app.label in labels.LABELS and app.label in applied
        if not any(model._meta.db_table in tables for model in app.get_models())
    ]


def _place(database: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(database.get(name) for name in ("ENGINE", "HOST", "PORT", "NAME"))


def _derived_keys() -> list[str]:
    return [name for name in KEYS if name not in given()]
