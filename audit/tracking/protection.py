"""Database protection: privileges of the serving role, and the triggers.

Every run of ``manage.py migrate`` ends with that of our own tables. The tables of the project get
theirs on request: by ``manage.py countersign_protect``, or a migrate command that does the same.
"""

import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, ProgrammingError, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor

from audit.models.records import AppendOnly, Evidence
from audit.tracking import parts, privileges, triggers
from audit.tracking.guards import GUARD, REPORT_CHANGE, Guard, dated, guarded, is_own, reporting
from audit.tracking.history import history_model, written_models

APPEND_ONLY = "audit_append_only"
NOT_EMPTIED = "audit_not_emptied"
DIRECT = "audit_direct"
# Created by a migration: they keep numbers from being invented.
_OF_NUMBERS = (
    ("audit_streamhead", "audit_number_starts"),
    ("audit_streamhead", "audit_number_grows"),
    ("audit_streamhead", "audit_number_stays"),
    ("audit_eventrecord", "audit_number_exists"),
    ("audit_epoch", "audit_number_is_next"),
    ("audit_epoch", "audit_no_writers"),
)
# Created by a migration: only processes with LOG_KEYS write the transparency log.
_OF_THE_LOG = tuple(
    (f"audit_{each}", "audit_log_writer")
    for each in (
        *("transparencylog", "leaf", "treenode", "signedcheckpoint", "logkey"),
        *("publication", "logwriter"),
    )
)
_GUARD_FUNCTIONS = {Guard.REFUSE: "audit_require_command", Guard.REPORT: REPORT_CHANGE}
# By a statement of a session, not by one of a trigger.
_DIRECTLY = " WHEN (pg_trigger_depth() = 0)"
_REFUSE_DIRECT = "audit_refuse_direct_history"
# Later releases call their connections otherwise, because they leave history to the database.
_EARLIER_SERVERS = """
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND usename = %s AND application_name = 'countersign')
"""


def protect_migrated(*, using: str, **signal: Any) -> None:
    """Protect our own tables after a run of migrate; `flush` sends the signal without a plan.

    Functions of history that triggers of other tables execute are kept up to date, and triggers
    that no model or setting requires are removed.
    """
    vars(connections[using]).pop("SchemaEditorClass", None)
    if "plan" in signal and connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            own = list(filter(is_own, tables_in_use(cursor)))
            for statement in _corrections(cursor, own):
                cursor.execute(statement)
        _correct_privileges(using=using)


def protect(*, using: str) -> None:
    """Attach the missing triggers, and correct the privileges of the serving role, as the owner.

    What is right already is left alone: requests go on meanwhile. While a server of an earlier
    release is connected, which writes history itself, it may continue to; a later run revokes that.
    """
    with connections[using].cursor() as cursor:
        for statement in corrections(cursor):
            cursor.execute(statement)
    _correct_privileges(using=using)


def corrections(cursor: Any) -> Iterator[str]:
    """Yield the statements for the triggers of all tables, each to be executed before the next."""
    if has_triggers_of_history(cursor):
        triggers.check_filled(cursor)
    yield from _corrections(cursor, tables_in_use(cursor))


def _corrections(cursor: Any, in_use: list[type[models.Model]]) -> Iterator[str]:
    tables = {model._meta.db_table for model in in_use}
    is_tolerant = writes_directly(cursor) and serves_earlier_release(cursor)
    if has_triggers_of_history(cursor):
        followed = tables | triggers.followed(cursor)
        outdated = triggers.outdated(cursor, is_tolerant=is_tolerant)
        yield from (triggers.creation(each) for each in outdated if each.table in followed)
    yield from triggers_to_attach(cursor, tables, is_tolerant=is_tolerant)
    found, wanted = triggers.present(cursor), wanted_triggers(is_tolerant=is_tolerant)
    for table, name in _superfluous(found, wanted, _without_history(cursor)):
        yield f'DROP TRIGGER {name} ON "{table}"'
        if name == triggers.TRACK:
            yield f"DROP FUNCTION IF EXISTS {triggers.function_name(table)}()"
    yield from parts.missing_indexes(cursor, tables)


def _correct_privileges(*, using: str) -> None:
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        own = list(filter(is_own, tables_in_use(cursor)))
        may_write = writes_directly(cursor)
        for statement in privileges.corrected(cursor, own, may_write_history=may_write):
            cursor.execute(statement)


def grant_everything(cursor: Any) -> None:
    """Grant the serving role what it needs on every table, and revoke the rest."""
    in_use = tables_in_use(cursor)
    with transaction.atomic(using=cursor.db.alias):
        may_write = writes_directly(cursor)
        for statement in (
            *privileges.corrected(cursor, in_use, may_write_history=may_write),
            *privileges.missing(cursor, []),
            *privileges.revoked_rights(cursor),
        ):
            cursor.execute(statement)


def lacking(cursor: Any) -> list[Any]:
    """Return the statements that the tables of other apps need, for a role that serves only."""
    others = [model for model in tables_in_use(cursor) if not is_own(model)]
    history: list[type[models.Model]] = [model for model in others if issubclass(model, Evidence)]
    return [
        *privileges.missing(cursor, [model for model in others if model not in history]),
        *privileges.corrected(cursor, history, may_write_history=writes_directly(cursor)),
        *privileges.revoked_rights(cursor),
    ]


def writes_directly(cursor: Any) -> bool:
    """Return True if the serving role may write history itself, as in earlier releases."""
    definitions = triggers.present(cursor).values()
    return not any(each.endswith(f" {_REFUSE_DIRECT}()") for each in definitions)


def is_checked(databases: Sequence[str] | None) -> bool:
    """Return True if a check may read the database: migrate runs checks before it fixes things."""
    is_migrating = sys.argv[1:2] == ["migrate"]
    return DEFAULT_DB_ALIAS in (databases or ()) and not is_migrating


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


def tables_in_use(cursor: Any) -> list[type[models.Model]]:
    """Return the models whose tables exist."""
    tables = _tables(cursor)
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.db_table in tables]


def _tables(cursor: Any) -> set[str]:
    return set(connections[cursor.db.alias].introspection.table_names(cursor))


def _without_history(cursor: Any) -> set[str]:
    """Return the tables whose models are tracked, but whose histories are missing."""
    present = _tables(cursor)
    return {each._meta.db_table for each in written_models() if _history_table(each) not in present}


def serves_earlier_release(cursor: Any) -> bool:
    """Return True if a server of an earlier release is connected."""
    cursor.execute(_EARLIER_SERVERS, [settings.DATABASES[DEFAULT_DB_ALIAS].get("USER", "")])
    (is_connected,) = cursor.fetchone()
    return bool(is_connected)


def has_triggers_of_history(cursor: Any) -> bool:
    """Return True if the migration is applied that creates their common functions."""
    return _exists(cursor, _REFUSE_DIRECT)


def _exists(cursor: Any, function: str) -> bool:
    cursor.execute("SELECT to_regproc(%s) IS NOT NULL", [function])
    (is_there,) = cursor.fetchone()
    return bool(is_there)


def guarded_tables() -> list[str]:
    """Return the tables that only a command may write."""
    return [model._meta.db_table for model, guard in guarded() if guard is Guard.REFUSE]


def append_only_tables() -> list[str]:
    """Return the tables whose rows are never changed or removed."""
    in_use = apps.get_models(include_auto_created=True)
    return [model._meta.db_table for model in in_use if issubclass(model, AppendOnly)]


def wanted_triggers(*, is_tolerant: bool) -> dict[tuple[str, str], str]:
    """Return the definition of each trigger, as PostgreSQL writes it, by table and name."""
    guard = "BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE"
    append_only = "BEFORE DELETE OR UPDATE OR TRUNCATE", "STATEMENT", "audit_refuse_change"
    wanted = [(table, GUARD, guard, *how) for table, *how in _guarded()]
    wanted += [(table, APPEND_ONLY, *append_only) for table in append_only_tables()]
    return {
        (table, name): f"CREATE TRIGGER {name} {when} ON {table}"
        f" FOR EACH {each} EXECUTE FUNCTION {function}()"
        for table, name, when, each, function in (*wanted, *_of_history(is_tolerant=is_tolerant))
    }


def _guarded() -> Iterator[tuple[str, str, str]]:
    """Yield each guarded table; the guard of a tracked one counts for its history, too."""
    followed = {_history_table(model) for model in written_models()}
    for model, guard in guarded():
        table = model._meta.db_table
        each = f"STATEMENT{_DIRECTLY}" if table in followed else "STATEMENT"
        yield table, each, _GUARD_FUNCTIONS[guard]


def _history_table(model: type[models.Model]) -> str:
    history = history_model(model)
    return history._meta.db_table if history else ""


def _of_history(*, is_tolerant: bool) -> Iterator[tuple[str, str, str, str, str]]:
    direct = "audit_drop_direct_history" if is_tolerant else _REFUSE_DIRECT
    for model in written_models():
        table = model._meta.db_table
        yield (
            *(table, triggers.TRACK, "AFTER INSERT OR DELETE OR UPDATE", "ROW"),
            triggers.function_name(table),
        )
        yield table, NOT_EMPTIED, "BEFORE TRUNCATE", "STATEMENT", "audit_refuse_truncate"
        yield _history_table(model), DIRECT, "BEFORE INSERT", f"ROW{_DIRECTLY}", direct


def missing_triggers(cursor: Any) -> list[tuple[str, str]]:
    """Return the table and name of each trigger that is not as it should be.

    It is missing, disabled, altered, outdated, or the guard of a table without one.
    """
    is_tolerant = writes_directly(cursor)
    found, wanted = triggers.present(cursor), wanted_triggers(is_tolerant=is_tolerant)
    altered = [each for each, definition in wanted.items() if found.get(each) != definition]
    altered += _superfluous(found, wanted, ())
    outdated = triggers.outdated(cursor, is_tolerant=is_tolerant)
    lagging = [(each.table, triggers.TRACK) for each in outdated]
    gone = [each for each in (*_OF_NUMBERS, *_OF_THE_LOG) if each not in found]
    return list(dict.fromkeys([*altered, *lagging, *gone]))


def _superfluous(
    found: Iterable[tuple[str, str]],
    wanted: Container[tuple[str, str]],
    without_history: Container[str],
) -> list[tuple[str, str]]:
    """Return the triggers that no model or setting requires, with which a write could fail.

    Tables of apps that are gone keep theirs.
    """
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return [
        (table, name)
        for table, name in found
        if table in tables
        and name in (GUARD, triggers.TRACK, NOT_EMPTIED)
        and ((table, name) not in wanted or (name == triggers.TRACK and table in without_history))
    ]


def triggers_to_attach(cursor: Any, tables: Container[str], *, is_tolerant: bool) -> Iterator[str]:
    """Yield the statements for the triggers that tables lack."""
    found, without_history = triggers.present(cursor), _without_history(cursor)
    has_history, reports = has_triggers_of_history(cursor), _exists(cursor, REPORT_CHANGE)
    dates = reporting(cursor)
    for (table, name), definition in wanted_triggers(is_tolerant=is_tolerant).items():
        is_reporting = REPORT_CHANGE in definition
        if (
            table in tables
            and (found.get((table, name)) != definition or (is_reporting and table not in dates))
            and (has_history or name in (GUARD, APPEND_ONLY))
            and not (name == triggers.TRACK and table in without_history)
            and (reports or not is_reporting)
        ):
            trigger = definition.replace("CREATE", "CREATE OR REPLACE", 1)
            yield dated(trigger, table) if is_reporting else trigger
