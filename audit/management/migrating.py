"""A migrate command for use beside a serving application.

Django's own does as well, with a pause: after it, `audit.tracking.protection.protect` runs too. To
use this one, an app of the project has a module ``management/commands/migrate.py`` that imports
``Command`` from here, and comes before the others in INSTALLED_APPS.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import OperationalError, connections, transaction
from psycopg import sql
from psycopg.errors import LockNotAvailable

from audit.tracking.migrations import editor, update_functions
from audit.tracking.protection import invalid_indexes, protect, writes_directly
from audit.tracking.triggers import check_between_statements

TRIES = 600
PAUSE_SECONDS = 1.0
# Requests queue behind a statement that waits for a lock, so it waits only briefly.
_WAIT_BRIEFLY, _WAIT = "SET lock_timeout = '200ms'", "SET lock_timeout = 0"
# Any number will do, if every run takes the same one.
_ADVISORY_LOCK = 0x6D696772
_INDEX_BUILD = re.compile(
    r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(\"?\w+\"?)\s", re.IGNORECASE
)
_EARLIER_RELEASE = (
    "Servers of an earlier release are connected, which write history themselves. Once they have "
    "stopped, run migrate again: it revokes that right."
)
_ALTERS_TABLE = re.compile(r"\s*ALTER\s+TABLE\s", re.IGNORECASE)
_RENAMES_COLUMN = re.compile(
    r"\s*ALTER\s+TABLE\s+\S+\s+RENAME\s+(?:COLUMN\s+)?\S+\s+TO\s", re.IGNORECASE
)
_LEFT_BY_REINDEX = re.compile(r"_cc(new|old)\d*$")


class Command(MigrateCommand):
    """Django's migrate, with a retry of locks, followed by the protection of the tables.

    One run at a time. A statement that would block requests is repeated until it gets its lock.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, rebuild invalid indexes and protect the tables; only report with --plan."""
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        connection = connections[options["database"]]
        with (
            _running_alone(connection),
            connection.execute_wrapper(_execute),
            _history_kept(connection),
        ):
            # A migration in a transaction can only be repeated as a whole.
            _until_unlocked(partial(super().handle, *args, **options))
            _rebuild_invalid_indexes(connection)
            self.protect(options["database"])
            with connection.cursor() as cursor:
                if writes_directly(cursor):
                    self.stdout.write(_EARLIER_RELEASE)

    def protect(self, database: str) -> None:
        """Attach the triggers and correct the privileges of the serving role."""
        protect(using=database)


@contextmanager
def _history_kept(connection: Any) -> Iterator[None]:
    """Commit each migration together with the functions that its changes of tables require.

    What a migration writes inside `outside_command` has a history from the start.
    """
    connection.SchemaEditorClass = editor(connection, attaches_triggers=True)
    try:
        yield
    finally:
        vars(connection).pop("SchemaEditorClass", None)


@contextmanager
def _running_alone(connection: Any) -> Iterator[None]:
    """Hold the lock of migrate runs, on the connection that is closed afterwards."""
    try:
        # Not by waiting for the lock: a concurrent index build waits for every waiting statement.
        while not _fetch(connection, "SELECT pg_try_advisory_lock(%s)", [_ADVISORY_LOCK])[0][0]:
            time.sleep(PAUSE_SECONDS)
        _fetch(connection, _WAIT_BRIEFLY)
        yield
    finally:
        connection.close()


def _execute(execute: Callable[..., Any], statement: Any, *rest: Any) -> Any:
    """Execute a statement of a migration so that no request waits for it for long."""
    context = rest[-1]
    if context["connection"].in_atomic_block:
        return execute(statement, *rest)
    if not (isinstance(statement, str) and "CONCURRENTLY" in statement):
        alters = isinstance(statement, str) and _ALTERS_TABLE.match(statement)
        step = partial(_with_functions, execute) if alters else execute
        return _until_unlocked(partial(step, statement, *rest))
    # It waits for transactions that began earlier, and blocks no request.
    execute(_WAIT, None, False, context)
    try:
        if build := _INDEX_BUILD.match(statement):
            left = f"DROP INDEX CONCURRENTLY IF EXISTS {build[1]}"
            execute(left, None, False, context)
        return execute(statement, *rest)
    finally:
        execute(_WAIT_BRIEFLY, None, False, context)


def _with_functions(execute: Callable[..., Any], statement: str, *rest: Any) -> Any:
    """Execute a statement in one transaction with the functions of history that it requires.

    :raises ImproperlyConfigured: if writes would fail until the next statement of the migration.
    """
    connection = rest[-1]["connection"]
    with transaction.atomic(using=connection.alias):
        result = execute(statement, *rest)
        is_renamed = _RENAMES_COLUMN.match(statement) is not None
        with connection.cursor() as cursor:
            update_functions(cursor)
            check_between_statements(cursor, is_renamed=is_renamed)
        return result


def _until_unlocked(action: Callable[[], Any]) -> Any:
    """Repeat an action until it gets its locks.

    :raises CommandError: if it does not get them in ten minutes.
    """
    for _ in range(TRIES):
        try:
            return action()
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
        time.sleep(PAUSE_SECONDS)
    raise CommandError(
        "The tables are locked by other sessions, for example by a VACUUM: pg_locks lists them. "
        "Run migrate again when they have ended. Nothing is left half done."
    )


def _rebuild_invalid_indexes(connection: Any) -> None:
    """Rebuild the indexes that an interrupted run left; drop the copies of a REINDEX."""
    for name in invalid_indexes(connection):
        verb = "DROP INDEX" if _LEFT_BY_REINDEX.search(name) else "REINDEX INDEX"
        statement = sql.SQL(verb + " CONCURRENTLY {}").format(sql.Identifier(name))
        _fetch(connection, statement.as_string(connection.connection))


def _fetch(connection: Any, statement: str, values: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
