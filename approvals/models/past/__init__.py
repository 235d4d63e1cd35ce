"""The tables that decide who may vote, as they were at a time in the past.

A statement runs unchanged: a WITH clause in front of it has, under the names of the tables, their
rows of that time. So each rule is written once, for now and for the past.

Tables with a history are read from it. Those of people and groups have none, but each change by a
command has an event, and changes something. So a value of today is followed back: it was the
opposite of what the next event after that time made it. Without a later event it is that of today.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection

from approvals.people import events
from audit.installation import users
from audit.sessions.commands import PasswordChanged
from audit.tracking.history import history_model, written_models
from audit.wire import pipeline
from audit.wire.statements import Row, Statement

# Each event, with what it is about: a fact about one or two ids. A value that is not given here is
# in the event, under the name of the fact.
_FACTS: tuple[tuple[type[Any], str, str, str, str], ...] = (
    (events.UserCreated, "user", "user_id", "", "true"),
    (events.UserDeleted, "user", "user_id", "", "false"),
    (events.GroupCreated, "group", "group_id", "", "true"),
    (events.GroupDeleted, "group", "group_id", "", "false"),
    (events.MemberJoined, "member", "group_id", "user_id", "true"),
    (events.MemberLeft, "member", "group_id", "user_id", "false"),
    (events.PermissionGranted, "user_permission", "user_id", "permission", "true"),
    (events.PermissionRevoked, "user_permission", "user_id", "permission", "false"),
    (events.GroupPermissionGranted, "group_permission", "group_id", "permission", "true"),
    (events.GroupPermissionRevoked, "group_permission", "group_id", "permission", "false"),
    (events.UserActivated, "is_active", "user_id", "", "true"),
    (events.UserDeactivated, "is_active", "user_id", "", "false"),
    (events.AdminAccessSet, "is_staff", "user_id", "", "NULL"),
    (events.SuperuserStatusSet, "is_superuser", "user_id", "", "NULL"),
    (events.UserCreated, "password", "user_id", "", "false"),
    (events.PasswordResetRequired, "password", "user_id", "", "false"),
    (PasswordChanged, "password", "user_id", "", "true"),
)
_NAMED = (events.GroupCreated, events.GroupRenamed, events.GroupDeleted)
_DELEGATED = "approvals.delegated"
#: The types of the events that the past is read from.
TYPES = tuple(sorted({each.message_type for each, *_ in _FACTS} | {e.message_type for e in _NAMED}))

_NOW = "(SELECT at FROM asked_moment)"
# In an event that no command wrote, an id may be anything.
_ID = "CASE WHEN data ->> {0} ~ '^[0-9]{{1,9}}$' THEN (data ->> {0})::integer END"
_BASE = """
    asked_moment (at) AS (SELECT %s::timestamptz),
    people_log AS MATERIALIZED (
        SELECT message_type, subject_id, data, occurred_at, position, occurred_at > at AS is_later
        FROM audit_eventrecord, asked_moment WHERE message_type = ANY('{{{types}}}'::text[])
    ),
    real_users AS NOT MATERIALIZED (SELECT * FROM {users}),
    real_groups AS NOT MATERIALIZED (SELECT * FROM {groups}),
    real_members AS NOT MATERIALIZED (SELECT * FROM {members}),
    named_permissions AS (
        SELECT permission.id, content_type.app_label || '.' || permission.codename AS name
        FROM auth_permission AS permission
        JOIN django_content_type AS content_type ON content_type.id = permission.content_type_id
    ),
    facts AS MATERIALIZED (
        SELECT kind, a, coalesce(b, 0) AS b, coalesce(value, data ->> kind = 'true') AS value,
            is_later, position, occurred_at
        FROM people_log
        JOIN (VALUES {facts}) AS fact (message_type, kind, first, second, value)
            USING (message_type)
        LEFT JOIN named_permissions
            ON second = 'permission' AND named_permissions.name = data ->> 'permission'
        CROSS JOIN LATERAL (
            SELECT {first} AS a,
                CASE WHEN second = 'permission' THEN named_permissions.id ELSE {second} END AS b
        ) AS ids
        WHERE a IS NOT NULL AND (second = '' OR b IS NOT NULL)
    ),
    later AS MATERIALIZED (
        SELECT DISTINCT ON (kind, a, b) kind, a, b, value FROM facts
        WHERE is_later ORDER BY kind, a, b, position
    ),
    earlier AS MATERIALIZED (
        SELECT DISTINCT ON (kind, a, b) kind, a, b, value, occurred_at FROM facts
        WHERE NOT is_later ORDER BY kind, a, b, position DESC
    )"""
# What was deleted since then is no longer in the tables: the last event before decides.
_PAIRS = """
    SELECT a, b FROM (SELECT {a} AS a, {b} AS b, true AS is_there FROM {table}) AS present
    FULL JOIN (SELECT a, b, value FROM later WHERE kind = '{kind}') AS later USING (a, b)
    FULL JOIN (SELECT a, b, value FROM earlier WHERE kind = '{kind}') AS earlier USING (a, b)
    WHERE CASE
        WHEN later.value IS NOT NULL THEN NOT later.value
        WHEN is_there IS NULL AND earlier.value THEN {is_deleted_since}
        ELSE coalesce(is_there, false)
    END"""
_DELETED = "EXISTS (SELECT FROM later WHERE kind = '{kind}' AND NOT value AND later.a = {id})"
_FLAG = """CASE
    WHEN {kind}_later.value IS NOT NULL THEN NOT {kind}_later.value
    WHEN present.{pk} IS NULL THEN coalesce({kind}_earlier.value, {default})
    ELSE present.{column}
END"""
_USABLE = """CASE
    WHEN password_later.value IS NULL AND present.{pk} IS NOT NULL THEN present.{column}
    WHEN coalesce(password_earlier.value, true) THEN 'usable' ELSE '!'
END"""
_JOIN = """
    LEFT JOIN {which} AS {kind}_{which} ON {kind}_{which}.kind = '{kind}'
        AND {kind}_{which}.a = them.a"""
_DELETED_NAME = f"""(
    SELECT data ->> 'username' FROM people_log
    WHERE message_type = '{events.UserDeleted.message_type}' AND subject_id = them.a::text LIMIT 1
)"""  # noqa: S608  # of our own names
_GROUPS = """
    SELECT them.a::integer AS id, coalesce(
        CASE WHEN renamed.is_later THEN coalesce(
            known.name, 'former name of "' || present.name || '"') END,
        present.name, known.name, renamed.name
    ) AS name
    FROM ({them}) AS them LEFT JOIN real_groups AS present ON present.id = them.a
    LEFT JOIN LATERAL (
        SELECT data ->> 'group_name' AS name FROM people_log
        WHERE message_type = ANY('{{{named}}}'::text[]) AND subject_id = them.a::text
            AND NOT is_later ORDER BY position DESC LIMIT 1
    ) AS known ON true
    LEFT JOIN LATERAL (
        SELECT is_later AND message_type = '{renamed}' AS is_later, data ->> 'group_name' AS name
        FROM people_log
        WHERE message_type = ANY('{{{named}}}'::text[]) AND subject_id = them.a::text
            AND is_later ORDER BY position LIMIT 1
    ) AS renamed ON true"""
_HISTORY = """
    SELECT {columns} FROM (
        SELECT DISTINCT ON ({pk}) * FROM {history}, asked_moment
        WHERE history_date <= at ORDER BY {pk}, history_date DESC, history_id DESC
    ) AS past WHERE history_type <> '-'"""
# A seal has no time, but its id begins with one. A later seal of the same version has other keys.
_SEALS = """
    SELECT seal.* FROM approvals_policyseal AS seal, asked_moment
    WHERE seal.id <= (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0')
            || repeat('f', 20))::uuid
        OR seal.version <= (SELECT version FROM approvals_policy WHERE id = seal.policy_id)"""
_DELEGATIONS = f"""
    SELECT delegation.* FROM approvals_delegation AS delegation WHERE EXISTS (
        SELECT FROM people_log WHERE message_type = '{_DELEGATED}'
            AND subject_id = delegation.id::text AND NOT is_later
    )"""  # noqa: S608  # of our own names
_EVENTS = "SELECT event.* FROM audit_eventrecord AS event, asked_moment WHERE occurred_at <= at"


@cache
def as_of(statement: Statement) -> Statement:
    """Return a statement on the tables and the clock of a time, its first parameter.

    The parameters of the statement itself follow, by place.
    """
    rows = ", ".join(f"{name} AS ({query})" for name, query in _tables(statement.template))
    now = statement.template.replace("statement_timestamp()", _NOW)
    return Statement(f"WITH {_base()}, {rows} {now}")


def read_as_of(at: datetime | None, statement: Statement, values: Sequence[Any]) -> list[Row]:
    """Return the rows of a statement now, or as of a time."""
    if at is None:
        return pipeline.execute(statement, values)
    return pipeline.execute(as_of(statement), [at, *values])


def rows_as_of(at: datetime | None, sql: str, values: Sequence[Any]) -> list[Row]:
    """Return the rows of a query, written with %s for its values, now or as of a time."""
    return read_as_of(at, _statement(sql), values)


@cache
def _statement(sql: str) -> Statement:
    return Statement(sql)


def unrecorded_tables(sql: str) -> list[str]:
    """Return the tables that SQL reads and whose past is unknown: those of today are read instead.

    Permissions and content types have no history either, but only migrations change them.
    """
    known = {name.strip('"') for name, _ in _tables(sql)} | {"auth_permission"}
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    found = {table for table in tables if mentions(sql, table)}
    return sorted(found - known - {"django_content_type"})


def _base() -> str:
    quote = connection.ops.quote_name
    names = [*TYPES, _DELEGATED]
    return _BASE.format(
        types=",".join(names),
        users=users.tables().users,
        groups=quote(Group._meta.db_table),
        members=users.tables().of_groups,
        facts=", ".join(
            f"('{event.message_type}', '{kind}', '{first}', '{second}', {value}::boolean)"
            for event, kind, first, second, value in _FACTS
        ),
        first=_ID.format("first"),
        second=_ID.format("second"),
    )


def _tables(sql: str) -> Iterator[tuple[str, str]]:
    """Yield the names of tables, and the queries for their rows at the time."""
    names, quote = users.tables(), connection.ops.quote_name
    of_user, to_group = (
        _DELETED.format(kind="user", id="{0}"),
        _DELETED.format(kind="group", id="{0}"),
    )
    yield names.users, _users()
    them = _PAIRS.format(kind="group", a="id", b="0", table="real_groups", is_deleted_since="false")
    named = ",".join(each.message_type for each in _NAMED)
    renamed = events.GroupRenamed.message_type
    yield quote(Group._meta.db_table), _GROUPS.format(them=them, named=named, renamed=renamed)
    yield (
        names.of_groups,
        _links(
            "member",
            names.of_groups,
            ("group_id", names.of_groups_user),
            is_deleted_since=f"{to_group.format('a')} OR {of_user.format('b')}",
        ),
    )
    yield (
        names.of_permissions,
        _links(
            "user_permission",
            names.of_permissions,
            (names.of_permissions_user, "permission_id"),
            is_deleted_since=of_user.format("a"),
        ),
    )
    yield (
        names.group_permissions,
        _links(
            "group_permission",
            names.group_permissions,
            ("group_id", "permission_id"),
            is_deleted_since=to_group.format("a"),
        ),
    )
    for model in written_models():
        if mentions(sql, model._meta.db_table):
            yield quote(model._meta.db_table), _history(model)
    yield "approvals_delegation", _DELEGATIONS
    if mentions(sql, "approvals_policyseal"):
        yield "approvals_policyseal", _SEALS
    # The last one: those before read all events.
    yield "audit_eventrecord", _EVENTS


def _links(kind: str, table: str, columns: tuple[str, str], *, is_deleted_since: str) -> str:
    first, second = (each.strip('"') for each in columns)
    pairs = _PAIRS.format(
        kind=kind, a=f'"{first}"', b=f'"{second}"', table=table, is_deleted_since=is_deleted_since
    )
    chosen = f'a::integer AS "{first}", b::integer AS "{second}"'
    return f"SELECT {chosen} FROM ({pairs}) AS pairs"  # noqa: S608  # of models


def _users() -> str:
    names, quote = users.tables(), connection.ops.quote_name
    flags = {
        names.is_active: ("is_active", "true"),
        names.is_superuser: ("is_superuser", "false"),
    }
    if names.is_staff != names.is_active:
        flags[names.is_staff] = ("is_staff", "false")
    password = _USABLE.format(pk=names.pk, column=names.password)
    columns = {names.pk: "them.a::integer", names.password: password}
    columns[names.name] = f"coalesce(present.{names.name}, {_DELETED_NAME})"
    for column, (kind, default) in flags.items():
        columns[column] = _FLAG.format(kind=kind, pk=names.pk, column=column, default=default)
    user: Any = get_user_model()
    every = [quote(each.column) for each in user._meta.concrete_fields]
    listed = ", ".join(f"{columns.get(each, f'present.{each}')} AS {each}" for each in every)
    them = _PAIRS.format(
        kind="user", a=names.pk, b="0", table="real_users", is_deleted_since="false"
    )
    kinds = [kind for kind, _ in flags.values()] + ["password"]
    joins = "".join(_JOIN.format(kind=k, which=w) for k in kinds for w in ("later", "earlier"))
    present = f"LEFT JOIN real_users AS present ON present.{names.pk} = them.a"
    return f"SELECT {listed} FROM ({them}) AS them {present}{joins}"  # noqa: S608  # of models


def _history(model: Any) -> str:
    past: Any = history_model(model)
    kept, quote = {each.column for each in past._meta.concrete_fields}, connection.ops.quote_name
    columns = [each.column for each in model._meta.concrete_fields]
    return _HISTORY.format(
        columns=", ".join(f"{'' if each in kept else 'NULL AS '}{quote(each)}" for each in columns),
        pk=quote(model._meta.pk.column),
        history=quote(past._meta.db_table),
    )


def mentions(sql: str, table: str) -> bool:
    """Return True if SQL names a table."""
    return re.search(rf"\b{re.escape(table)}\b", sql) is not None
