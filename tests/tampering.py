"""Changes of rows that the application's role cannot make: as the owner of the database."""

from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone
from psycopg import sql

from approvals.sealing.payloads import seal

_TABLE = sql.Identifier("approvals_approvalrequest")


@contextmanager
def without_triggers(owner, table):
    """Disable the triggers of a table, in one transaction with what is done meanwhile."""
    with owner.transaction():
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def tamper(owner, request, **columns):
    """Change columns of a request, with the triggers that forbid it disabled."""
    changes = sql.SQL(", ").join(
        sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns
    )
    with owner.transaction():
        owner.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(_TABLE))
        statement = sql.SQL("UPDATE {} SET {} WHERE id = %s").format(_TABLE, changes)
        owner.execute(statement, [*columns.values(), request.pk])
        owner.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(_TABLE))
    request.refresh_from_db()


def rewrite(owner, request, **columns):
    """Change columns of a request under valid seals, as if it had been held like that."""
    request.refresh_from_db()
    command = request.command()
    for name, value in columns.items():
        setattr(request, name, value)
    sealed = seal(command, request.binding)
    request.seal_row()
    seals = {"payload": sealed.payload, "seal": sealed.seal, "row_seal": request.row_seal}
    tamper(owner, request, **columns, **seals)


def let_time_pass(owner, request, *, column="approve_by"):
    """Move one of a request's times into the past, under valid seals."""
    rewrite(owner, request, **{column: timezone.now() - timedelta(seconds=1)})
