"""Statements of an attacker who has the application's database role, but no key."""

from django.db import connection, transaction

from audit.models.records import CommandRecord

_NAME_COMMAND = "SELECT set_config('audit.command_id', gen_random_uuid()::text, true)"


def attack(*statements):
    """Execute statements as the application's role, in one transaction that passes the guard."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NAME_COMMAND)
        for statement in statements:
            cursor.execute(*([statement] if isinstance(statement, str) else statement))


def forge_record(request, **columns):
    """Insert another record of a held command, a copy of the one at which it was held."""
    names = [field.column for field in CommandRecord._meta.concrete_fields]
    changed = {"attempt": 2, **columns}
    copied = [name for name in names if name not in {"position", "epoch", "xid", *changed}]
    statement = (
        f"INSERT INTO audit_commandrecord ({', '.join([*changed, *copied])})"
        f" SELECT {', '.join(['%s'] * len(changed))}, {', '.join(copied)}"
        " FROM audit_commandrecord WHERE command_id = %s AND attempt = 1"
    )
    attack((statement, [*changed.values(), request.command_id]))
