"""System checks: what must hold before the program serves."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.utils.module_loading import import_string

from audit.bus import handling
from audit.messages import catalog
from audit.messages.classes import codecs
from audit.messages.values import NotPlain
from audit.tracking.protection import APPEND_ONLY, GUARD, append_only_tables, guarded_tables


@register()
def check_transactions(**_: Any) -> list[CheckMessage]:
    """Refuse a transaction around the request: a dispatch is one of its own."""
    return [
        Error(
            f"ATOMIC_REQUESTS is on for {alias!r}: the record of a refused command would be lost.",
            hint="Turn it off: the bus opens the transaction.",
            id="audit.E001",
        )
        for alias, database in settings.DATABASES.items()
        if database.get("ATOMIC_REQUESTS")
    ]


@register()
def check_middleware(**_: Any) -> list[CheckMessage]:
    """Every middleware can be imported and called."""
    return [
        Error(f"AUDIT_MIDDLEWARE names {name!r}, which is not a function.", id="audit.E002")
        for name in settings.AUDIT_MIDDLEWARE
        if not _is_function(name)
    ]


@register()
def check_messages(**_: Any) -> list[CheckMessage]:
    """Messages hold plain values, and commands require permissions that can be given."""
    problems = [problem for each in catalog.message_classes() for problem in _fields(each)]
    for command_class in handling.command_classes():
        permission = command_class.required_permission
        if permission is not None and permission.count(".") != 1:
            message = f"{command_class.message_type} requires {permission!r}: use app.codename."
            problems.append(Error(message, id="audit.E004"))
    return problems


@register(Tags.database)
def check_triggers(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Every guarded and every append-only table has its trigger."""
    if not databases or "default" not in databases:
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
            " WHERE tgname = ANY(%s) AND tgenabled = 'O'",
            [[GUARD, APPEND_ONLY]],
        )
        present = set(cursor.fetchall())
    wanted = [(table, GUARD) for table in guarded_tables()]
    wanted += [(table, APPEND_ONLY) for table in append_only_tables()]
    return [
        Error(f"The table {table} lacks the trigger {name}.", hint=_MIGRATE, id="audit.E005")
        for table, name in wanted
        if (table, name) not in present
    ]


@register(Tags.database, deploy=True)
def check_role(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse to serve as a role that owns the records, or is superuser."""
    if not databases or "default" not in databases:
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR EXISTS (SELECT FROM pg_class"
            " WHERE relname = 'audit_commandrecord' AND pg_has_role(relowner, 'USAGE'))"
            " FROM pg_roles WHERE rolname = current_user"
        )
        (is_too_powerful,) = cursor.fetchone()
    hint = "Serve with another role: DATABASE_URL for it, MIGRATION_DATABASE_URL for the owner."
    message = "The serving role could rewrite the audit log: it is a superuser or owns the records."
    return [Error(message, hint=hint, id="audit.E006")] if is_too_powerful else []


_MIGRATE = "Run manage.py migrate: it attaches the triggers."


def _is_function(name: str) -> bool:
    try:
        return callable(import_string(name))
    except ImportError:
        return False


def _fields(message_class: Any) -> Iterator[CheckMessage]:
    try:
        codecs(message_class)
    except NotPlain as error:
        yield Error(f"{message_class.message_type} has a field of type {error}.", id="audit.E003")
