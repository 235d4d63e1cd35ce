"""Database protection: privileges of the serving role, and the triggers.

``manage.py migrate`` applies it after every run, so every new table is protected.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS, ProgrammingError, connections, models, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.models.expressions import RawSQL
from psycopg import sql

from audit.models.records import AppendOnly, Evidence, StreamHead
from audit.tracking.history import tracked_models

GUARD = "audit_guard"
APPEND_ONLY = "audit_append_only"
# Created by a migration: they keep numbers from being invented.
_OF_NUMBERS = (
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
# Grant options are never wanted, so they need no exact name.
_GRANTED = """
    SELECT relname, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, ARRAY(
        SELECT privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM aclexplode(relacl) WHERE grantee = pg_roles.oid
        UNION ALL SELECT privilege_type || ' ("' || attname || '")'
        FROM pg_attribute, aclexplode(attacl)
        WHERE attrelid = pg_class.oid AND grantee = pg_roles.oid
    )
    FROM pg_class, pg_roles WHERE rolname = %(role)s AND relname = ANY(%(names)s)
        AND relnamespace = current_schema()::regnamespace
"""


def protect(*, using: str) -> None:
    """Attach the missing triggers, and correct the privileges of the serving role, as the owner.

    What is right already is left alone: requests go on meanwhile.
    """
    connection = connections[using]
    present = set(connection.introspection.table_names())
    in_use = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.db_table in present
    ]
    with connection.cursor() as cursor:
        for trigger in _missing_triggers(cursor, present):
            cursor.execute(trigger)
        with transaction.atomic(using=using):
            for statement in (*_corrected_privileges(cursor, in_use), *_revoked_rights(cursor)):
                cursor.execute(statement)


def is_migrated() -> bool:
    """Return True if the serving role can read that every migration is applied."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        executor = MigrationExecutor(connection)
    except ProgrammingError:
        # A run was interrupted before it granted the privileges.
        return False
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def invalid_indexes(connection: Any) -> list[str]:
    """Return the names of the indexes whose concurrent build was interrupted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE NOT"
            " indisvalid AND relkind = 'i' AND relnamespace = current_schema()::regnamespace"
        )
        return [name for (name,) in cursor.fetchall()]


def guarded_tables() -> list[str]:
    """Return the tables that only a command may write."""
    in_use = apps.get_models(include_auto_created=True)
    evidence = [model for model in in_use if issubclass(model, Evidence)]
    return [model._meta.db_table for model in (*tracked_models(in_use), *evidence)]


def append_only_tables() -> list[str]:
    """Return the tables whose rows are never changed or removed."""
    in_use = apps.get_models(include_auto_created=True)
    return [model._meta.db_table for model in in_use if issubclass(model, AppendOnly)]


def wanted_triggers() -> dict[tuple[str, str], str]:
    """Return the definition of each trigger, as PostgreSQL writes it, by table and name."""
    guard = "INSERT OR DELETE OR UPDATE OR TRUNCATE", "audit_require_command"
    append_only = "DELETE OR UPDATE OR TRUNCATE", "audit_refuse_change"
    wanted = [(table, GUARD, *guard) for table in guarded_tables()]
    wanted += [(table, APPEND_ONLY, *append_only) for table in append_only_tables()]
    return {
        (table, name): f"CREATE TRIGGER {name} BEFORE {operations} ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        for table, name, operations, function in wanted
    }


def present_triggers(cursor: Any) -> dict[tuple[str, str], str]:
    """Return the definition of each enabled trigger of ours, by table and name."""
    cursor.execute(
        "SELECT relname, tgname, pg_get_triggerdef(pg_trigger.oid, true)"
        " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal"
        " AND tgenabled = 'O'",
    )
    return {(table, name): definition for table, name, definition in cursor.fetchall()}


def missing_triggers(cursor: Any) -> list[tuple[str, str]]:
    """Return the table and name of each trigger that is missing, disabled or altered."""
    found, wanted = present_triggers(cursor), wanted_triggers()
    altered = [each for each, definition in wanted.items() if found.get(each) != definition]
    return [*altered, *(each for each in _OF_NUMBERS if each not in found)]


def _missing_triggers(cursor: Any, tables: set[str]) -> list[str]:
    found = present_triggers(cursor)
    return [
        definition.replace("CREATE", "CREATE OR REPLACE", 1)
        for (table, name), definition in wanted_triggers().items()
        if table in tables and found.get((table, name)) != definition
    ]


def _corrected_privileges(cursor: Any, in_use: list[type[models.Model]]) -> Iterator[sql.Composed]:
    """Yield the statements for each object on which the serving role has other privileges."""
    role = settings.DATABASES["default"]["USER"]
    if role == settings.DATABASES["owner"]["USER"]:
        return
    wanted = {"audit_position": ["USAGE"], "django_migrations": ["SELECT"]}
    wanted |= {model._meta.db_table: _needed(model) for model in in_use}
    cursor.execute(_GRANTED, {"role": role, "names": list(wanted)})
    for name, kind, granted in cursor.fetchall():
        if set(granted) != set(wanted[name]):
            for change in (
                "REVOKE ALL ON {} {} FROM {}",
                f"GRANT {', '.join(wanted[name])} ON {{}} {{}} TO {{}}",
            ):
                yield sql.SQL(change).format(
                    sql.SQL(kind), sql.Identifier(name), sql.Identifier(role)
                )


def _needed(model: type[models.Model]) -> list[str]:
    if model in _WRITTEN_BY_MIGRATIONS:
        return ["SELECT"]
    if model is StreamHead:
        return ["SELECT", "INSERT", 'UPDATE ("number")']
    if issubclass(model, AppendOnly):
        return ["SELECT", *(f'INSERT ("{column}")' for column in _given(model))]
    return list(getattr(model, "privileges", ("SELECT", "INSERT", "UPDATE", "DELETE")))


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


def _revoked_rights(cursor: CursorWrapper) -> list[sql.Composed]:
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
