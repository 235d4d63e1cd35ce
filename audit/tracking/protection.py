"""Database protection: privileges of the serving role, and the triggers.

``manage.py migrate`` applies it after every run, so every new table is protected.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import RawSQL
from psycopg import sql

from audit.models.records import AppendOnly, Evidence, StreamHead
from audit.tracking.history import tracked_models

GUARD = "audit_guard"
APPEND_ONLY = "audit_append_only"
#: The tables and triggers, created by a migration, that keep numbers from being invented.
NUMBERS = (
    ("audit_streamhead", "audit_number_starts"),
    ("audit_streamhead", "audit_number_grows"),
    ("audit_streamhead", "audit_number_stays"),
    ("audit_eventrecord", "audit_number_exists"),
    ("audit_epoch", "audit_number_is_next"),
)
# Rights of the serving role on what the migrating role owns.
_SUPERFLUOUS = """
    SELECT 'TEMPORARY ON DATABASE {}', datname FROM pg_database
    WHERE datname = current_database() AND pg_has_role(datdba, 'USAGE')
        AND has_database_privilege(%(role)s, oid, 'TEMPORARY')
    UNION ALL
    SELECT 'CREATE ON SCHEMA {}', nspname FROM pg_namespace
    WHERE nspname = 'public' AND pg_has_role(nspowner, 'USAGE')
        AND has_schema_privilege(%(role)s, oid, 'CREATE')
"""
# Never changed by the serving role, so that connections can cache the names of permissions.
_WRITTEN_BY_MIGRATIONS = (Permission, ContentType)


def protect(*, using: str) -> None:
    """Grant the serving role its privileges, and attach the triggers. Run it as the owner."""
    connection = connections[using]
    present = set(connection.introspection.table_names())
    in_use = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.db_table in present
    ]
    with connection.cursor() as cursor:
        statements = [*_triggers(in_use), *_privileges(in_use), *_database_rights(cursor)]
        for statement in statements:
            cursor.execute(statement)


def guarded_tables() -> list[str]:
    """Return the tables that only a command may write."""
    in_use = apps.get_models(include_auto_created=True)
    evidence = [model for model in in_use if issubclass(model, Evidence)]
    return [model._meta.db_table for model in (*tracked_models(in_use), *evidence)]


def append_only_tables() -> list[str]:
    """Return the tables whose rows are never changed or removed."""
    in_use = apps.get_models(include_auto_created=True)
    return [model._meta.db_table for model in in_use if issubclass(model, AppendOnly)]


def _triggers(in_use: list[type[models.Model]]) -> list[sql.Composed]:
    present = {model._meta.db_table for model in in_use}
    guard = "CREATE OR REPLACE TRIGGER {} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {} "
    guard += "FOR EACH STATEMENT EXECUTE FUNCTION audit_require_command()"
    append_only = "CREATE OR REPLACE TRIGGER {} BEFORE UPDATE OR DELETE OR TRUNCATE ON {} "
    append_only += "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
    return [
        sql.SQL(template).format(sql.Identifier(name), sql.Identifier(table))
        for template, name, tables in (
            (guard, GUARD, guarded_tables()),
            (append_only, APPEND_ONLY, append_only_tables()),
        )
        for table in tables
        if table in present
    ]


def _privileges(in_use: list[type[models.Model]]) -> list[sql.Composed]:
    role = settings.DATABASES["default"]["USER"]
    if role == settings.DATABASES["owner"]["USER"]:
        return []
    grants = [("USAGE", "SEQUENCE audit_position"), ("SELECT", "TABLE django_migrations")]
    grants += [(_needed(model), f'TABLE "{model._meta.db_table}"') for model in in_use]
    return [
        sql.SQL(f"{verb} {{}} ON {thing} {direction} {{}}").format(
            sql.SQL(what), sql.Identifier(role)
        )
        for privileges, thing in grants
        for verb, what, direction in (("REVOKE", "ALL", "FROM"), ("GRANT", privileges, "TO"))
    ]


def _needed(model: type[models.Model]) -> str:
    if model in _WRITTEN_BY_MIGRATIONS:
        return "SELECT"
    if model is StreamHead:
        return "SELECT, INSERT, UPDATE (number)"
    if issubclass(model, AppendOnly):
        return f"SELECT, INSERT ({', '.join(_given(model))})"
    return "SELECT, INSERT, UPDATE, DELETE"


def _given(model: type[models.Model]) -> list[str]:
    """Return the columns of rows that are written once, except those that the database generates.

    With an invented position or transaction id, a row could hide others from readers of the log.
    """
    fields: Sequence[Any] = model._meta.concrete_fields
    return [
        field.column
        for field in fields
        if not isinstance(field, models.AutoField) and not isinstance(field.db_default, RawSQL)
    ]


def _database_rights(cursor: CursorWrapper) -> list[sql.Composed]:
    """Return the statements that take away rights with which the serving role could add tables.

    PUBLIC has TEMPORARY on a new database. A temporary table would take the place of the log's.
    Only the owner of the database can revoke it; ``manage.py check --deploy`` reports what is left.
    """
    role = settings.DATABASES["default"]["USER"]
    if role == settings.DATABASES["owner"]["USER"]:
        return []
    cursor.execute(_SUPERFLUOUS, {"role": role})
    return [
        sql.SQL(f"REVOKE {right} FROM PUBLIC, {{}}").format(
            sql.Identifier(name), sql.Identifier(role)
        )
        for right, name in cursor.fetchall()
    ]
