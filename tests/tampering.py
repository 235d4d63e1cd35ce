"""What nobody can do to a request through the application: the owner of the database does it."""

from datetime import timedelta

from django.utils import timezone
from psycopg import sql

from approvals.sealing.payloads import seal

_TABLE = sql.Identifier("approvals_approvalrequest")


def tamper(owner, request, **columns):
    """Write into the row of a request, past the triggers that forbid it."""
    changes = sql.SQL(", ").join(
        sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns
    )
    with owner.transaction():
        owner.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(_TABLE))
        statement = sql.SQL("UPDATE {} SET {} WHERE id = %s").format(_TABLE, changes)
        owner.execute(statement, [*columns.values(), request.pk])
        owner.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(_TABLE))
    request.refresh_from_db()


def let_time_pass(owner, request, *, column="approve_by"):
    """Make one of the times of a request lie in the past, under a seal that is valid."""
    command = request.command()
    setattr(request, column, timezone.now() - timedelta(seconds=1))
    sealed = seal(command, request.binding)
    late = getattr(request, column)
    tamper(owner, request, **{column: late}, payload=sealed.payload, seal=sealed.seal)
