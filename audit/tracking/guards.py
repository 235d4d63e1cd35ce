"""Guards of tables: whether a change outside a command is refused, reported, or neither."""

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.apps import apps
from django.db import models

from audit.bus.context import current_context
from audit.installation.settings import countersign
from audit.models.records import Evidence
from audit.tracking.history import history_model
from audit.tracking.parts import owner_of

#: The apps whose tables are ours. Those of others are the project's.
OWN_APPS = ("audit", "approvals")
#: The trigger of a guarded table, and the function that it executes in order to report.
GUARD = "audit_guard"
REPORT_CHANGE = "audit_report_change"
# The database has no time of a trigger's creation. Only the owner of the table can comment on it,
# and a dump contains the comment.
_DATE = """
    DO $do$ BEGIN
        EXECUTE format('COMMENT ON TRIGGER {guard} ON "{table}" IS %L',
            to_char(clock_timestamp() AT TIME ZONE 'UTC',
                '"reports since "YYYY-MM-DD HH24:MI:SSZ'));
    END $do$"""
_REPORTING = r"""
    SELECT relname, since, clock_timestamp() - since
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid,
        CAST(substring(obj_description(pg_trigger.oid, 'pg_trigger')
            FROM '^reports since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)$') AS timestamptz) AS since
    WHERE relnamespace = current_schema()::regnamespace AND tgname = %s AND tgenabled = 'O'
        AND tgfoid = to_regproc(%s) AND since IS NOT NULL
"""
_WRITE = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|WITH)\b", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w./:-]")
_LONGEST_SOURCE = 200
# Packages between the statement and the code that caused it.
_BETWEEN = ("django.", "audit.", "psycopg", "contextlib", "rest_framework.", "simple_history.")


class Guard(StrEnum):
    """The treatment of changes outside commands."""

    OFF = "off"
    REPORT = "report"
    REFUSE = "refuse"


class Reporting(NamedTuple):
    """The time since when a table reports changes, without interruption, and its length."""

    since: datetime
    length: timedelta


def reporting(cursor: Any) -> dict[str, Reporting]:
    """Return since when the guard of each table has reported changes, by the database's clock."""
    cursor.execute(_REPORTING, [GUARD, REPORT_CHANGE])
    return {table: Reporting(*times) for table, *times in cursor.fetchall()}


def dated(trigger: str, table: str) -> str:
    """Return the statements that create the guard of a table which reports, with the time."""
    return f"{trigger};{_DATE.format(guard=GUARD, table=table)}"


def is_own(model: type[models.Model]) -> bool:
    """Return True if a model is one of ours, not of the project."""
    return model._meta.app_label in OWN_APPS


def guard_of(model: type[models.Model]) -> Guard:
    """Return the guard of a model: that of the setting GUARDS, or of the model that it is part of.

    Without a setting, a table is guarded if the database writes its history: the tables of
    simple-history's own models are left alone.
    """
    if issubclass(model, Evidence) or (is_own(model) and history_model(model)):
        return Guard.REFUSE
    named = countersign().guards.get(model._meta.label)
    if named in set(Guard):
        return Guard(named)
    owner = owner_of(model)
    if owner is not None:
        return guard_of(owner)
    return Guard.REFUSE if history_model(model) else Guard.OFF


def guarded() -> Iterator[tuple[type[models.Model], Guard]]:
    """Yield each model whose table is guarded, with its guard."""
    for model in apps.get_models(include_auto_created=True):
        guard = guard_of(model)
        if guard is not Guard.OFF:
            yield model, guard


def reports() -> bool:
    """Return True if changes of some table are reported."""
    return any(guard is Guard.REPORT for _, guard in guarded())


def note_source(
    execute: Callable[..., Any],
    statement: Any,
    params: Any,
    many: bool,  # noqa: FBT001  # Django calls it like this
    context: Any,
) -> Any:
    """Execute a statement with the file and line that caused it in a comment.

    The guard reads it there: it takes no round trip and leaves no state on the connection.
    """
    is_outside = isinstance(statement, str) and current_context() is None
    if is_outside and _WRITE.match(statement):
        statement = f"{statement} /* source: {_source()} */"
    return execute(statement, params, many, context)


def note_sources(connection: Any, **_: object) -> None:
    """Add the source to the statements of a new connection; Django keeps wrappers over several."""
    if note_source not in connection.execute_wrappers:
        connection.execute_wrappers.append(note_source)


def _source() -> str:
    frame: Any = inspect.currentframe()
    while frame.f_back and f"{frame.f_globals.get('__name__', '')}.".startswith(_BETWEEN):
        frame = frame.f_back
    return _UNSAFE.sub("_", f"{frame.f_code.co_filename[-_LONGEST_SOURCE:]}:{frame.f_lineno}")
