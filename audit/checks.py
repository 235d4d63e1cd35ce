"""System checks: requirements on settings, messages, triggers and the serving role."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import Permission
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model
from django.utils.module_loading import import_string

from audit import discovery
from audit.bus import handling
from audit.installation.settings import countersign
from audit.messages import catalog
from audit.messages.classes import Command, codecs
from audit.messages.values import NotPlain
from audit.subjects import types
from audit.tracking.protection import (
    invalid_indexes,
    is_checked,
    is_migrated,
)


@register()
def check_middleware(**_: Any) -> list[CheckMessage]:
    """Check that every middleware can be imported and called."""
    return [
        Error(f"The middleware {name!r} of COUNTERSIGN is not a function.", id="audit.E002")
        for name in countersign().middleware
        if not _is_function(name)
    ]


@register()
def check_messages(**_: Any) -> list[CheckMessage]:
    """Check that messages have supported types, and that permissions have the form app.codename."""
    problems = [problem for each in catalog.message_classes() for problem in _fields(each)]
    for command_class in handling.command_classes():
        permission = command_class.required_permission
        if permission is not None and not _is_well_formed(permission):
            message = f"{command_class.message_type} requires {permission!r}: use app.codename."
            problems.append(Error(message, id="audit.E004"))
    return problems


@register()
def check_dependencies(**_: Any) -> list[CheckMessage]:
    """Check that commands depend on values of their subjects only."""
    return [
        Error(
            f"{each.message_type} depends on {name!r}, which is no value of its subject.",
            hint="Name columns of the subject's model that are in its history, or in `shown`.",
            id="audit.E015",
        )
        for each in handling.command_classes()
        for name in each.depends_on or ()
        if name not in _values_of_subject(each)
    ]


@register()
def check_discovery(**_: Any) -> list[CheckMessage]:
    """Check that each module with a handler, credential or event folding is imported."""
    return [
        Error(
            f"{each.module} uses @{', @'.join(each.decorators)}, but nothing imports it.",
            hint=f"Add {each.module.removeprefix(each.app + '.')!r} to `declares` in the "
            f"AppConfig of {each.app}.",
            id="audit.E007",
        )
        for each in discovery.undiscovered()
    ]


@register()
def check_permissions(**_: Any) -> list[CheckMessage]:
    """Check that a model or ``system_permissions`` of an app declares each required permission.

    Permissions are rows, but ``migrate`` creates them from the models: no database is needed.
    """
    declared = set(_declared_permissions())
    return [
        Error(
            f"{each.message_type} requires {each.required_permission!r}, which no model declares.",
            hint="Add it to `permissions` in the Meta of a model, or to `system_permissions` in "
            "the AppConfig if only the system may have it.",
            id="audit.E008",
        )
        for each in handling.command_classes()
        if _is_well_formed(each.required_permission) and each.required_permission not in declared
    ]


@register(Tags.database)
def check_permission_rows(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that each required permission has a row: without one, no user can have it."""
    if not is_checked(databases) or not is_migrated():
        return []
    rows = Permission.objects.values_list("content_type__app_label", "codename")
    existing = {".".join(row) for row in rows} | set(_of_the_system())
    declared = set(_declared_permissions())
    return [
        Warning(
            f"{each.message_type} requires {each.required_permission!r}, which no row grants: "
            "no user can have it.",
            hint="Run manage.py migrate: it creates the permissions that models declare.",
            id="countersign.W003",
        )
        for each in handling.command_classes()
        if each.required_permission in declared - existing
    ]


@register()
def check_locks(**_: Any) -> list[CheckMessage]:
    """Check that handlers lock rows of the model that is the subject of their command."""
    return [
        Error(
            f"The handler of {each.message_type} locks {model.__name__}, not the subject.",
            hint="Let `locks` be the model of the declared subject, or remove it.",
            id="audit.E009",
        )
        for each, model in handling.locked_models.items()
        if _subject_model(each) is not model
    ]


@register(Tags.database)
def check_migrations(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that every migration is applied; without, the checks of the data are left out."""
    if not is_checked(databases) or is_migrated():
        return []
    message = "The database lacks tables or columns: not every migration is applied."
    return [Error(message, hint="Run manage.py migrate.", id="audit.E010")]


@register(Tags.database, deploy=True)
def check_indexes(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that no index was left invalid by an interrupted build: it would not be used."""
    if not is_checked(databases):
        return []
    return [
        Error(f"The index {name} is invalid.", hint=_REBUILD, id="audit.E011")
        for name in invalid_indexes(connections["default"])
    ]


@register(Tags.database, deploy=True)
def check_role(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that the serving role neither owns the records nor could bypass their protection."""
    if not is_checked(databases) or _has_one_role():
        return []
    hint = "Serve with another role: DATABASE_URL for it, MIGRATION_DATABASE_URL for the owner."
    message = "The serving role could rewrite the audit log: it is a superuser or owns the records."
    return [Error(message, hint=hint, id="audit.E006")] if _is_too_powerful() else []


@register(Tags.database)
def check_one_role(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """List what does not hold while one role does everything."""
    if not is_checked(databases) or not _has_one_role() or not _is_too_powerful():
        return []
    message = f"The database role that serves owns the tables. Nothing prevents it from: {_COULD}."
    return [Warning(message, hint=_TWO_ROLES, id="countersign.W004")]


def _has_one_role() -> bool:
    """Return True if no other alias leads to this database, with the role that owns the tables."""
    places = [(each["NAME"], each.get("HOST")) for each in settings.DATABASES.values()]
    return places.count(places[[*settings.DATABASES].index(DEFAULT_DB_ALIAS)]) == 1


def _is_too_powerful() -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR EXISTS (SELECT FROM pg_class"
            " WHERE relname = 'audit_commandrecord' AND pg_has_role(relowner, 'USAGE'))"
            " FROM pg_roles WHERE rolname = current_user"
        )
        (is_too_powerful,) = cursor.fetchone()
    return bool(is_too_powerful)


@register(Tags.database, deploy=True)
def check_rights(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that no table can take the place of the log's, and that the log can be written."""
    if not is_checked(databases) or _has_one_role():
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(each.condition for each in _UNSAFE)}")
        found = cursor.fetchone()
    return [
        Error(each.message, hint=each.hint, id=each.id)
        for each, is_so in zip(_UNSAFE, found, strict=True)
        if is_so
    ]


@register(Tags.database, deploy=True)
def check_constraints(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that every constraint holds for all rows, also for those that are older than it."""
    if not is_checked(databases):
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE NOT convalidated AND connamespace = current_schema()::regnamespace ORDER BY 2"
        )
        return [
            Warning(
                f"Rows of {table} that are older than the constraint {name} may violate it.",
                hint="Pages show such rows as malformed. Once there are none: "
                f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}, as the owner.",
                id="audit.W001",
            )
            for table, name in cursor.fetchall()
        ]


class _Unsafe(NamedTuple):
    """A condition, in SQL, under which the serving role should not serve."""

    id: str
    condition: str
    message: str
    hint: str


_UNSAFE = (
    _Unsafe(
        "audit.E012",
        "has_database_privilege(current_database(), 'TEMPORARY')",
        "The serving role may create temporary tables, which could take the place of the log's.",
        "As the owner of the database: REVOKE TEMPORARY ON DATABASE … FROM PUBLIC.",
    ),
    _Unsafe(
        "audit.E013",
        "has_schema_privilege(current_schema(), 'CREATE')",
        "The serving role may create tables beside those of the log.",
        "As the owner of the schema: REVOKE CREATE ON SCHEMA public FROM PUBLIC.",
    ),
    _Unsafe(
        "audit.E014",
        "current_setting('default_transaction_read_only')::boolean OR EXISTS (SELECT FROM"
        " pg_db_role_setting CROSS JOIN unnest(setconfig) AS given WHERE setrole = current_user::"
        "regrole AND given ~ '^(default_transaction_read_only=(on|true|yes|1)|search_path=)'"
        ' AND given !~ \'^search_path="?public"?, *"?pg_temp"?$\')',
        "The serving role has settings with which a connection could not write the log.",
        "ALTER ROLE … RESET search_path; ALTER ROLE … RESET default_transaction_read_only.",
    ),
)
_COULD = (
    "dropping the triggers, changing or deleting records and history rows, changing tracked tables "
    "outside commands, inventing positions and numbers, putting temporary tables in the place of "
    "those of the log"
)
_TWO_ROLES = "Let another role own the tables: docs/adopt.md, “One database role, or two”."
_REBUILD = "Run manage.py migrate: it rebuilds the index, or drops it before it builds it again."


def _is_well_formed(permission: str | None) -> bool:
    return permission is not None and permission.count(".") == 1


def _of_the_system() -> Iterator[str]:
    for app in apps.get_app_configs():
        yield from (f"{app.label}.{each}" for each in getattr(app, "system_permissions", ()))


def _declared_permissions() -> Iterator[str]:
    yield from _of_the_system()
    for model in apps.get_models():
        options = model._meta
        builtin = (get_permission_codename(each, options) for each in options.default_permissions)
        for codename in (*builtin, *(codename for codename, _ in options.permissions)):
            yield f"{options.app_label}.{codename}"


def _subject_model(command_class: type[Command]) -> type[Model] | None:
    declared = command_class.subject and types.subject_type(command_class.subject.type)
    return declared.model if declared else None


def _values_of_subject(command_class: type[Command]) -> Collection[str]:
    declared = command_class.subject and types.subject_type(command_class.subject.type)
    return types.subject_fields(declared) if declared else ()


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
