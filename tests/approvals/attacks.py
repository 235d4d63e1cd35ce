"""Statements of an attacker who has the application's database role, but no key."""

from django.db import connection, transaction

_NAME_COMMAND = "SELECT set_config('audit.command_id', gen_random_uuid()::text, true)"


def attack(*statements):
    """Execute statements as the application's role, in one transaction that passes the guard."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NAME_COMMAND)
        for statement in statements:
            cursor.execute(*([statement] if isinstance(statement, str) else statement))
