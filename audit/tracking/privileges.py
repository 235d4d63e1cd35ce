"""Privileges of the serving role: what it needs to serve, and nothing else."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS, models
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import RawSQL
from psycopg import sql

from audit.models.records import AppendOnly, StreamHead
from audit.tracking.history import HistoryRow

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
_LACKING = """
    WITH role AS (SELECT coalesce(%(role)s, current_user::text) AS name),
    wanted AS (
        SELECT oid, relname, privilege FROM pg_class
        JOIN unnest(%(tables)s::text[], %(privileges)s::text[]) AS needed (name, privilege)
            ON relname = needed.name
        WHERE relnamespace = current_schema()::regnamespace
    )
    SELECT string_agg(DISTINCT privilege, ', '), kind, relname FROM (
        SELECT relname, 'TABLE' AS kind, privilege FROM wanted, role
        WHERE NOT has_table_privilege(role.name, oid, privilege)
        UNION ALL
        SELECT sequence.relname, 'SEQUENCE', 'USAGE' FROM pg_class AS sequence
        JOIN pg_depend ON objid = sequence.oid AND deptype = 'a'
        JOIN wanted ON wanted.oid = refobjid CROSS JOIN role
        WHERE sequence.relkind = 'S' AND wanted.privilege = 'INSERT'
            AND NOT has_sequence_privilege(role.name, sequence.oid, 'USAGE')
    ) AS lacking GROUP BY relname, kind ORDER BY relname
"""
_COLUMNS = """
    SELECT relname, array_agg(attname::text) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    WHERE relname = ANY(%s) AND relnamespace = current_schema()::regnamespace
        AND attnum > 0 AND NOT attisdropped
    GROUP BY relname
"""


def owning_alias() -> str:
    """Return the alias whose role owns the tables: "owner", if there is one."""
    return "owner" if "owner" in settings.DATABASES else DEFAULT_DB_ALIAS


def serving_role(cursor: CursorWrapper) -> str | None:
    """Return the role that serves requests; None if it is the one of this connection."""
    role: str = settings.DATABASES[DEFAULT_DB_ALIAS].get("USER") or ""
    cursor.execute("SELECT current_user")
    (own,) = cursor.fetchone()
    return role if role not in ("", own) else None


def missing(cursor: CursorWrapper, models_in_use: list[type[models.Model]]) -> list[sql.Composed]:
    """Return the statements that grant what the serving role lacks on the project's own tables.

    They take nothing away. Sequences of columns that are no identity need a grant of their own.
    """
    role = serving_role(cursor)
    if role is None:
        return []
    return [
        sql.SQL("GRANT {} ON {} {} TO {}").format(
            *(sql.SQL(privileges), sql.SQL(kind), sql.Identifier(name), sql.Identifier(role))
        )
        for privileges, kind, name in lacking(cursor, models_in_use, role=role)
    ]


def lacking(
    cursor: CursorWrapper, models_in_use: list[type[models.Model]], *, role: str | None = None
) -> list[tuple[str, str, str]]:
    """Return what a role lacks on tables and their sequences: privileges, kind and name.

    :param role: the role of the cursor's connection by default.
    """
    needed = [("django_migrations", "SELECT")]
    for model in models_in_use:
        needed += [(model._meta.db_table, each) for each in _used(model)]
    tables, needs = zip(*needed, strict=True)
    cursor.execute(_LACKING, {"role": role, "tables": list(tables), "privileges": list(needs)})
    found: list[tuple[str, str, str]] = cursor.fetchall()
    return found


def _used(model: type[models.Model]) -> Sequence[str]:
    if model in _WRITTEN_BY_MIGRATIONS:
        return ("SELECT",)
    return getattr(model, "privileges", ("SELECT", "INSERT", "UPDATE", "DELETE"))


def corrected(
    cursor: CursorWrapper, in_use: list[type[models.Model]], *, may_write_history: bool
) -> Iterator[sql.Composed]:
    """Yield the statements for each object on which the serving role has other privileges."""
    role = serving_role(cursor)
    if role is None:
        return
    columns = _columns(cursor, in_use)
    wanted = {"audit_position": ["USAGE"]}
    for model in in_use:
        table = model._meta.db_table
        is_read = issubclass(model, HistoryRow) and not may_write_history
        wanted[table] = ["SELECT"] if is_read else _needed(model, columns[table])
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


def _columns(cursor: CursorWrapper, in_use: list[type[models.Model]]) -> dict[str, set[str]]:
    """Return the columns of each table: a run may end before a migration that adds one."""
    cursor.execute(_COLUMNS, [[model._meta.db_table for model in in_use]])
    return {table: set(names) for table, names in cursor.fetchall()}


def _needed(model: type[models.Model], present: Collection[str]) -> list[str]:
    if model is StreamHead:
        updated = [each for each in ("number", "paid_in") if each in present]
        return ["SELECT", "INSERT", *(f'UPDATE ("{column}")' for column in updated)]
    if issubclass(model, AppendOnly):
        given = [column for column in _given(model) if column in present]
        return ["SELECT", *(f'INSERT ("{column}")' for column in given)]
    return list(_used(model))


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


def revoked_rights(cursor: CursorWrapper) -> list[sql.Composed]:
    """Return the statements that take away rights with which the serving role could add tables.

    PUBLIC has TEMPORARY on a new database. A temporary table would take the place of the log's.
    Only the owner of the database can revoke it; ``manage.py check --deploy`` reports what is left.
    """
    role = serving_role(cursor)
    if role is None:
        return []
    cursor.execute(_SUPERFLUOUS, {"role": role})
    return [
        sql.SQL(f"REVOKE {right} FROM PUBLIC, {{}}").format(
            sql.Identifier(name), sql.Identifier(role)
        )
        for right, name in cursor.fetchall()
    ]
