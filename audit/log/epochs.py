"""Epochs: the parts of the log that one server wrote, and the fork where the next one begins."""

from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

from audit.messages.exceptions import TimedOut

# A restored dump, a copy, a recovery to a point in time, a promotion and pg_upgrade all change the
# cluster, its timeline or the database. Comparing them takes 10 µs.
_SERVER = """(
    SELECT concat_ws('/', system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()))
    FROM pg_control_system()
)"""
#: The number of the newest epoch; NULL if it is of another server, whose numbering of transactions
#: may differ.
CURRENT = f"""(
    SELECT CASE WHEN server = {_SERVER} THEN number END
    FROM audit_epoch ORDER BY number DESC LIMIT 1
)"""  # noqa: S608  # put together from constants
# Several servers may continue the same log. The time of the start, in seconds since 2026, keeps
# them from using the same number.
_NUMBER = f"""
    greatest(number + 1, CASE WHEN server <> {_SERVER}
        THEN extract(epoch FROM clock_timestamp())::bigint - 1767225600 ELSE 0 END)
"""
# All transactions before fork_xid had ended when the last records were written, so their commits
# precede these records in the WAL and in any backup. Of later ones, some may be missing here.
_FORK = """(
    SELECT least(coalesce(max(
        oldest_xid::text::numeric + CASE WHEN oldest_xid = xid THEN 1 ELSE 0 END), 0),
        9223372036854775807)
    FROM (SELECT epoch, xid, oldest_xid FROM audit_commandrecord ORDER BY position DESC LIMIT 1000)
        AS tail
    WHERE tail.epoch = newest.number AND oldest_xid <= xid
)"""
_START = f"""
    INSERT INTO audit_epoch (number, began_at, command_id, server, fork_xid)
    SELECT {_NUMBER}, clock_timestamp(), %s, {_SERVER}, {_FORK}
    FROM (SELECT number, server FROM audit_epoch ORDER BY number DESC LIMIT 1) AS newest
    RETURNING number
"""  # noqa: S608  # put together from constants
_FIRST = f"""
    INSERT INTO audit_epoch (number, began_at, server) SELECT 1, clock_timestamp(), {_SERVER}
    WHERE NOT EXISTS (SELECT FROM audit_epoch)
"""  # noqa: S608  # put together from constants
_LOCK_NOT_AVAILABLE = "55P03"
# Any number will do, if every process takes the same one.
_ADVISORY_LOCK = 0x65706F63


def current(*, using: str = DEFAULT_DB_ALIAS) -> int | None:
    """Return the number of the newest epoch; None if it is of another server."""
    return _fetch(f"SELECT {CURRENT}", using=using)


def start_by_hand(command_id: UUID) -> int:
    """Insert an epoch where transactions may have written to the one before; return its number.

    A trigger waits until they have ended: readers of the log would skip their records.

    :raises TimedOut: with the processes, if some take longer than 3 seconds.
    """
    try:
        return start(command_id)
    except OperationalError as error:
        cause: Any = error.__cause__
        if cause.sqlstate != _LOCK_NOT_AVAILABLE:
            raise
        problem = cause.diag.message_primary
        message = f"No epoch began, because {problem}. Wait for their end, then try again."
        raise TimedOut(message) from error


def start(command_id: UUID, *, using: str = DEFAULT_DB_ALIAS) -> int:
    """Insert an epoch of this server, and return its number."""
    number = _fetch(_START, command_id, using=using)
    if number is None:
        message = "the first epoch is missing"
        raise LookupError(message)
    return number


def start_first(*, using: str) -> None:
    """Insert the first epoch again, of a database that was emptied."""
    with connections[using].cursor() as cursor:
        cursor.execute(_FIRST)


def wait_for_turn(*, using: str) -> None:
    """Lock the decision that an epoch is over, until the end of the transaction."""
    _fetch("SELECT pg_advisory_xact_lock(%s)", _ADVISORY_LOCK, using=using)


def _fetch(sql: str, *values: UUID | int, using: str) -> int | None:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return row[0] if row else None
