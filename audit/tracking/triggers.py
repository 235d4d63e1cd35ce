"""History triggers: the functions with which the database writes the history of tracked tables.

Each function is generated from the catalog: it copies the columns that its table and the history
have in common, so it follows ``excluded_fields`` and ``db_column``. After a table has got or lost a
column, every write to it fails until the function is generated again.

A function runs with the rights of its owner and a fixed search path, and no one else may execute
it: with that right, the serving role could attach it to a table of its own and forge history.
"""

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from psycopg import sql
from psycopg.sql import Composable, Identifier, Literal

from audit.tracking.history import history_model, written_models
from audit.tracking.parts import subject_of

#: The trigger of a tracked table, and the beginning of the names of the functions.
TRACK = "audit_track"
_LONGEST_TABLE = 40
#: The columns of a history beyond those of its table, with the expressions that fill them.
FACTS = {
    "history_date": "clock_timestamp()",
    "history_type": "kind",
    "history_change_reason": "coalesce(current_setting('audit.reason', true), '')",
    "history_user_id": "''",
    "history_command_id": "command",
    "history_attempt": "nullif(current_setting('audit.attempt', true), '')::smallint",
    "history_actor_kind": "coalesce(nullif(actor, ''), 'outside')",
    "history_actor_person": "coalesce(current_setting('audit.actor_person', true), '')",
    "history_actor_label": (
        "coalesce(nullif(current_setting('audit.actor_label', true), ''), 'outside')"
    ),
}
_BODY = """
#variable_conflict use_variable
-- {columns}
DECLARE
    command uuid := nullif(current_setting('audit.command_id', true), '')::uuid;
    actor text := current_setting('audit.actor_kind', true);
    kind text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
    changed {table} := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN{tolerance}{silence}
    IF TG_OP = 'UPDATE' AND ({old}) IS DISTINCT FROM ({new}) THEN
        kind := '-';
        changed := OLD;{write}
        kind := '+';
        changed := NEW;
    END IF;{write}
    RETURN NULL;
END"""
# A server of an earlier release names the command only, and writes its history itself.
_TOLERANCE = """
    IF command IS NOT NULL AND coalesce(actor, '') = '' THEN
        RETURN NULL;
    END IF;"""
_SILENCE = """
    IF TG_OP = 'UPDATE' AND ({old}) IS DISTINCT FROM ({new})
        AND ({old_others}) IS NOT DISTINCT FROM ({new_others})
    THEN
        RETURN NULL;
    END IF;"""
# One branch of the union has as many columns as the table had when this was generated: with any
# other number the statement is an error.
_COPY = """
        INSERT INTO {history} ({columns}, {facts})
        SELECT {values}, {stamps}
        FROM (SELECT changed.* UNION ALL SELECT {nulls} WHERE false) AS whole;"""
# The first change of a transaction takes the number that the next event of the subject will have.
_ADVANCE = """
        INSERT INTO {heads} AS present (subject_type, subject_id, number, paid_in)
        SELECT {type}, changed.{id}::text, 1, pg_current_xact_id() WHERE changed.{id} IS NOT NULL
        ON CONFLICT (subject_type, subject_id) DO UPDATE
            SET number = present.number + 1, paid_in = excluded.paid_in
            WHERE present.paid_in IS DISTINCT FROM excluded.paid_in;"""
_CREATE = """
    CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {body};
    REVOKE ALL ON FUNCTION {name}() FROM PUBLIC
"""
_COLUMNS = """
    SELECT relname, attname, format_type(atttypid, atttypmod), attgenerated <> '',
        attnotnull AND NOT atthasdef AND attidentity = ''
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relname = ANY(%s) AND relnamespace = current_schema()::regnamespace
        AND attnum > 0 AND NOT attisdropped
    ORDER BY relname, attnum
"""
# Only those that are protected: any other one is replaced.
_PRESENT = """
    SELECT proname, prosrc FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, %s)
        AND prosecdef AND proconfig = ARRAY['search_path=pg_catalog, pg_temp'] AND NOT EXISTS (
            SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
            WHERE grantee <> proowner)
"""


class Column(NamedTuple):
    """A column of a table, as the catalog has it."""

    name: str
    type: str
    is_generated: bool
    is_required: bool


class Function(NamedTuple):
    """The function of a tracked table, and its body."""

    name: str
    table: str
    body: str


def function_name(table: str) -> str:
    """Return the name of a table's function. Names by OID would collide after a restore."""
    digest = hashlib.md5(table.encode(), usedforsecurity=False).hexdigest()
    return f"{TRACK}_{table[:_LONGEST_TABLE]}_{digest[:8]}"


def present(cursor: Any) -> dict[tuple[str, str], str]:
    """Return the definition of each enabled trigger, by table and name."""
    cursor.execute(
        "SELECT relname, tgname, pg_get_triggerdef(pg_trigger.oid, true)"
        " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal"
        " AND tgenabled = 'O'",
    )
    return {(table, name): definition for table, name, definition in cursor.fetchall()}


def followed(cursor: Any) -> set[str]:
    """Return the tables with a trigger that writes their history."""
    return {table for table, name in present(cursor) if name == TRACK}


def outdated(cursor: Any, *, is_tolerant: bool) -> list[Function]:
    """Return the functions that are missing, unprotected or not as the catalog requires."""
    wanted = list(_wanted(cursor, is_tolerant=is_tolerant))
    cursor.execute(_PRESENT, [f"{TRACK}_"])
    bodies = dict(cursor.fetchall())
    return [each for each in wanted if bodies.get(each.name) != each.body]


def create(cursor: Any, functions: Iterable[Function]) -> None:
    """Create or replace functions. Sessions that have compiled the former ones compile them again.

    They execute as the owner of the tables, which this runs as.
    """
    for each in functions:
        cursor.execute(creation(each))


def creation(function: Function) -> str:
    """Return the statements that create or replace a function."""
    statement = sql.SQL(_CREATE).format(name=Identifier(function.name), body=Literal(function.body))
    return statement.as_string(None)


def check_filled(cursor: Any) -> None:
    """Check that each column of a history is filled by its table or its trigger.

    :raises ImproperlyConfigured: if one is not.
    """
    for _, history, columns in _unfilled(cursor):
        message = (
            f"{history} cannot be filled: its table has no {_names(columns)}. A child of "
            "multi-table inheritance lacks the columns of its parent: track the parent."
        )
        raise ImproperlyConfigured(message)


def check_between_statements(cursor: Any, *, is_renamed: bool) -> None:
    """Check that tracked tables can be written before a migration executes its next statement.

    :raises ImproperlyConfigured: if a history has a required column that nothing fills, or any such
        column after a column was renamed.
    """
    tracked = followed(cursor)
    for table, history, columns in _unfilled(cursor):
        if table in tracked and (is_renamed or any(each.is_required for each in columns)):
            message = (
                f"{history} would have columns that its table does not have: {_names(columns)}. "
                "Until the next statement of this migration, writes would fail or be missing in "
                "the history. Change both tables in one transaction: remove atomic = False from "
                "the migration."
            )
            raise ImproperlyConfigured(message)


def _unfilled(cursor: Any) -> Iterator[tuple[str, str, list[Column]]]:
    """Yield tables, their histories, and the columns of these that nothing fills."""
    columns = columns_of(cursor)
    for model, history in _pairs(columns):
        own, past = columns[model._meta.db_table], columns[history._meta.db_table]
        given = {*own, *FACTS, history._meta.pk.column}
        if missing := [column for name, column in past.items() if name not in given]:
            yield model._meta.db_table, history._meta.db_table, missing


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(each.name for each in columns)


def _wanted(cursor: Any, *, is_tolerant: bool) -> Iterator[Function]:
    columns = columns_of(cursor)
    cursor.execute("SELECT current_schema()")
    (schema,) = cursor.fetchone()
    for model, history in _pairs(columns):
        yield _function(model, history, columns, schema=schema, is_tolerant=is_tolerant)


def columns_of(cursor: Any) -> dict[str, dict[str, Column]]:
    """Return the columns of each tracked table and each history."""
    pairs = [(model, history_model(model)) for model in written_models()]
    cursor.execute(_COLUMNS, [[each._meta.db_table for pair in pairs for each in pair if each]])
    columns: dict[str, dict[str, Column]] = {}
    for table, *column in cursor.fetchall():
        columns.setdefault(table, {})[column[0]] = Column(*column)
    return columns


def _pairs(tables: Container[str]) -> Iterator[tuple[type[models.Model], type[models.Model]]]:
    for model in written_models():
        history = history_model(model)
        if history and model._meta.db_table in tables and history._meta.db_table in tables:
            yield model, history


def _function(
    model: type[models.Model],
    history: type[models.Model],
    columns: Mapping[str, Mapping[str, Column]],
    *,
    schema: str,
    is_tolerant: bool,
) -> Function:
    table = model._meta.db_table
    own, past = columns[table], columns[history._meta.db_table]
    shared, facts = shared_columns(own, past), [each for each in FACTS if each in past]
    key, whole = model._meta.pk.column, subject_of(model)
    write = sql.SQL(_COPY).format(
        history=Identifier(schema, history._meta.db_table),
        columns=_listed(shared),
        facts=_listed(facts),
        values=_listed(shared, of="changed"),
        stamps=sql.SQL(", ".join(FACTS[each] for each in facts)),
        nulls=sql.SQL(", ".join(["NULL"] * len(own))),
    )
    if whole:
        type_name, field = whole
        heads = Identifier(schema, "audit_streamhead")
        advance = {"heads": heads, "type": Literal(type_name), "id": Identifier(field.column)}
        write += sql.SQL(_ADVANCE).format(**advance)
    identity = [key, *({whole[1].column} - {key} if whole else ())]
    body = sql.SQL(_BODY).format(
        columns=sql.SQL("; ".join(f"{each.name} {each.type}" for each in own.values())),
        table=Identifier(schema, table),
        tolerance=sql.SQL(_TOLERANCE if is_tolerant else ""),
        silence=_silence(model, history, own),
        old=_listed(identity, of="OLD"),
        new=_listed(identity, of="NEW"),
        write=write,
    )
    return Function(function_name(table), table, body.as_string(None))


def _silence(model: type[models.Model], history: Any, own: Mapping[str, Column]) -> Composable:
    meta: Any = model._meta
    names: list[str] = [meta.get_field(each).column for each in history.silent_fields]
    silent, others = [each for each in names if each in own], [*(own.keys() - names)]
    if not silent:
        return sql.SQL("")
    return sql.SQL(_SILENCE).format(
        old=_listed(silent, of="OLD"),
        new=_listed(silent, of="NEW"),
        old_others=_listed(sorted(others), of="OLD"),
        new_others=_listed(sorted(others), of="NEW"),
    )


def shared_columns(own: Mapping[str, Column], past: Mapping[str, Column]) -> list[str]:
    """Return the columns of a table that its history has as well."""
    return [name for name in own if name in past and not past[name].is_generated]


def _listed(names: Iterable[str], *, of: str | None = None) -> Composable:
    columns = (sql.SQL(f"{of}.{{}}" if of else "{}").format(Identifier(each)) for each in names)
    return sql.SQL(", ").join(columns)
