"""Django's flush, which also empties the append-only tables of a test database."""

from collections.abc import Callable
from typing import Any

from django.core.management.commands.flush import Command as FlushCommand
from django.db import connections
from django.test import utils

from audit.log import epochs

# By name: triggers of the project on its tables stay enabled.
_TOGGLE = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE relnamespace = current_schema()::regnamespace AND tgtype & 32 <> 0
            AND starts_with(tgname, 'audit_')
    LOOP
        EXECUTE format('ALTER TABLE %I {} TRIGGER %I', found.relname, found.tgname);
    END LOOP;
END $$
"""


class Command(FlushCommand):
    """Tests with ``TransactionTestCase`` end with this command. Elsewhere, triggers refuse it."""

    def handle(self, **options: Any) -> None:
        """Flush the database; while tests run, without the triggers that refuse TRUNCATE."""
        connection = connections[options["database"]]
        if not (connection.vendor == "postgresql" and _is_testing()):
            super().handle(**options)
            return
        with connection.execute_wrapper(_truncate):
            super().handle(**options)


def _is_testing() -> bool:
    """Return True between setup_test_environment and teardown_test_environment."""
    return hasattr(utils._TestState, "saved_data")  # noqa: SLF001  # has no public name


def _truncate(execute: Callable[..., Any], statement: str, *rest: Any) -> Any:
    """Execute a statement; TRUNCATE without the triggers, in the transaction of flush.

    The log starts again with its first epoch, which a migration inserted.
    """
    if not statement.startswith("TRUNCATE"):
        return execute(statement, *rest)
    context = rest[-1]
    execute(_TOGGLE.format("DISABLE"), None, False, context)
    result = execute(statement, *rest)
    execute(_TOGGLE.format("ENABLE"), None, False, context)
    if '"audit_epoch"' in statement:
        epochs.start_first(using=context["connection"].alias)
    return result
