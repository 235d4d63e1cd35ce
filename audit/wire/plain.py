"""Statements sent one by one through Django's cursors."""

from collections.abc import Iterable
from typing import cast

from django.db.backends.base.base import BaseDatabaseWrapper

from audit.wire.statements import Call, Row


def exchange(database: BaseDatabaseWrapper, calls: Iterable[Call]) -> list[list[Row]]:
    """Execute statements in order and return the rows of each. The first failure is raised."""
    return [_rows(database, call) for call in calls]


def _rows(database: BaseDatabaseWrapper, call: Call) -> list[Row]:
    database.ensure_connection()
    # A cursor that does not log: `pipeline.log_query` does, for the same statements in both modes.
    with database.make_cursor(database.create_cursor()) as cursor:
        cursor.execute(call.statement.template, call.values or None)
        return cast(list[Row], cursor.fetchall()) if cursor.description else []
