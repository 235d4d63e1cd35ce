"""History during a run of migrate: what migrations write has a history, as far as it is tracked."""

from typing import Any

from django.db import connections

from audit.tracking import triggers
from audit.tracking.protection import (
    has_triggers_of_history,
    serves_earlier_release,
    tables_in_use,
    triggers_to_attach,
    writes_directly,
)


def editor(connection: Any, *, attaches_triggers: bool) -> Any:
    """Return a schema editor whose transactions include the functions that a changed table needs.

    It keeps writes possible for the migrations that follow in the same run.
    """
    stock: Any = type(connection).SchemaEditorClass

    def leave(self: Any, *error: object) -> None:
        if error == (None, None, None) and connection.in_atomic_block:
            with connection.cursor() as cursor:
                update_functions(cursor)
        stock.__exit__(self, *error)

    members = {"__exit__": leave, "attaches_triggers": attaches_triggers}
    return type("SchemaEditor", (stock,), members)


def begin_migrating(*, using: str, **_: Any) -> None:
    """Keep the functions of history up to date during a run of Django's own migrate."""
    connection = connections[using]
    is_ours = hasattr(connection.SchemaEditorClass, "attaches_triggers")
    if connection.vendor == "postgresql" and not is_ours:
        vars(connection)["SchemaEditorClass"] = editor(connection, attaches_triggers=False)


def keep_history(*, using: str) -> None:
    """Inside a migration, keep what it writes in the history of tables that have triggers.

    A migrate command of ours attaches the missing ones; Django's own attaches none.
    """
    attaches = getattr(connections[using].SchemaEditorClass, "attaches_triggers", None)
    if attaches is None:
        return
    with connections[using].cursor() as cursor:
        if not attaches:
            update_functions(cursor)
            return
        if not has_triggers_of_history(cursor):
            return
        is_tolerant = writes_directly(cursor) and serves_earlier_release(cursor)
        triggers.create(cursor, triggers.outdated(cursor, is_tolerant=is_tolerant))
        tables = {model._meta.db_table for model in tables_in_use(cursor)}
        for trigger in triggers_to_attach(cursor, tables, is_tolerant=is_tolerant):
            if triggers.TRACK in trigger:
                cursor.execute(trigger)


def update_functions(cursor: Any) -> None:
    """Generate the functions again that a changed table made outdated, in the same transaction."""
    if has_triggers_of_history(cursor):
        present = triggers.followed(cursor)
        changed = triggers.outdated(cursor, is_tolerant=writes_directly(cursor))
        triggers.create(cursor, (each for each in changed if each.table in present))
