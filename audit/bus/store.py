"""SQL of the bus: opening a transaction, appending to the log, recording failed attempts."""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, connections, transaction
from psycopg.types.json import Jsonb

from audit.bus import handling
from audit.bus.context import Context
from audit.log import epochs
from audit.messages.classes import NO_SUBJECT, Command, Subject
from audit.messages.exceptions import PreconditionFailed
from audit.models.records import CommandRecord, Status
from audit.subjects import types
from audit.wire import pipeline, rows
from audit.wire.statements import Call, Statement


class Emitted(NamedTuple):
    """The columns of an event that do not come from its command."""

    id: UUID
    subject_type: str
    subject_id: str
    message_type: str
    schema_version: int
    tenant: str
    data: dict[str, Any]


_COMMAND_COLUMNS = tuple(
    field.attname
    for field in CommandRecord._meta.concrete_fields
    if field.attname not in ("position", "epoch", "xid")
)
# What the triggers of tracked tables write into history. Without the command's id they refuse.
_STAMPED = ("command_id", "attempt", "reason", "actor_kind", "actor_person", "actor_label")
_NO_FACTS = [""] * len(_STAMPED)
_STAMP = ", ".join(f"set_config('audit.{name}', %s, true) AS {name}" for name in _STAMPED)
_STAMP_AGAIN = Statement(f"SELECT {_STAMP}")
_JSON_COLUMNS = frozenset({"data", "decision"})
_COLUMNS_OF_EVENTS = (
    "id uuid, subject_type text, subject_id text, message_type text, schema_version int, "
    "tenant text, data jsonb"
)
_as_json = partial(json.dumps, default=str)
# NULL on another server than the one that wrote the newest epoch: then nothing is stored.
_EPOCH = epochs.CURRENT
_INSERT_COMMAND = f"""
    INSERT INTO audit_commandrecord (epoch, {", ".join(_COMMAND_COLUMNS)})
    VALUES ({_EPOCH}, {", ".join(["%s"] * len(_COMMAND_COLUMNS))})
"""
_APPEND_COMMAND = Statement(_INSERT_COMMAND)
_SETTLE = Statement(f"{_INSERT_COMMAND} ON CONFLICT DO NOTHING RETURNING position")

# One statement for the command, its events and their numbers. The stream heads are locked in the
# order of their keys, and last, so that they are held no longer than the commit takes; only the
# triggers lock the head of a changed row earlier, after the row. A head that is not at the number
# that the caller expected is not updated, and then its events have no number, which their table
# refuses: so a COMMIT sent with this statement is not executed.
_COMMAND = f"""command AS ({_INSERT_COMMAND}
        RETURNING epoch, command_id, attempt, correlation_id,
            coalesce(causation_id, command_id) AS causation_id)"""
#: 1 if a change has taken a number in this transaction that no event has yet, else 0.
PAID = "(present.paid_in IS NOT DISTINCT FROM pg_current_xact_id())::int"
_NUMBER = Statement(
    f"SELECT number - {PAID} FROM audit_streamhead AS present"
    " WHERE subject_type = %s AND subject_id = %s"
)
_HEADS = "INSERT INTO audit_streamhead AS present (subject_type, subject_id, number)"
_ADVANCE = f"""
        ON CONFLICT (subject_type, subject_id)
        DO UPDATE SET number = present.number + excluded.number - {PAID}, paid_in = NULL
        WHERE %s::bigint IS NULL
            OR (present.subject_type, present.subject_id) <> (%s::text, %s::text)
            OR present.number - {PAID} = %s::bigint
        RETURNING subject_type, subject_id, number
"""
_EVENTS = f"""INSERT INTO audit_eventrecord (epoch, command_id, attempt, correlation_id,
        causation_id, occurred_at, number, {", ".join(Emitted._fields)})
    SELECT epoch, command_id, attempt, correlation_id, causation_id, clock_timestamp()"""
_APPEND = Statement(f"""
    WITH {_COMMAND},
    emitted AS (
        SELECT *,
            row_number() OVER (PARTITION BY subject_type, subject_id ORDER BY place) AS step,
            count(*) OVER (PARTITION BY subject_type, subject_id) AS steps
        FROM ROWS FROM (jsonb_to_recordset(%s::jsonb) AS ({_COLUMNS_OF_EVENTS}))
            WITH ORDINALITY AS given ({", ".join(Emitted._fields)}, place)
    ),
    head AS (
        {_HEADS}
        SELECT subject_type, subject_id, count(*) FROM emitted
        GROUP BY subject_type, subject_id ORDER BY subject_type, subject_id
        {_ADVANCE}
    )
    {_EVENTS}, number - steps + step, {", ".join(Emitted._fields)}
    FROM command CROSS JOIN (emitted LEFT JOIN head USING (subject_type, subject_id))
    ORDER BY place
""")
# Most commands emit one event; reading it from a list would take a quarter of the statement.
_APPEND_ONE = Statement(f"""
    WITH {_COMMAND},
    given ({", ".join(Emitted._fields)}) AS (
        VALUES (%s::uuid, %s, %s, %s, %s::int, %s, %s::jsonb)
    ),
    head AS ({_HEADS} SELECT subject_type, subject_id, 1 FROM given {_ADVANCE})
    {_EVENTS}, (SELECT number FROM head), given.* FROM command CROSS JOIN given
""")


# The number of a subject as if it had one more event, in a transaction that is rolled back.
_ADVANCE_ONE = Statement(f"""
    {_HEADS} VALUES (%s, %s, 1)
    ON CONFLICT (subject_type, subject_id)
        DO UPDATE SET number = present.number + 1 - {PAID}, paid_in = NULL
""")
# The deferred constraints, checked before COMMIT.
CHECK_CONSTRAINTS = Call(Statement("SET CONSTRAINTS ALL IMMEDIATE"))


class Opening(NamedTuple):
    """The facts that a dispatch reads first, in one round trip."""

    xid: int
    number: int
    tenant: str | None
    twin_position: int | None
    facts: dict[str, Any]


def open_transaction(command: Command, context: Context) -> Opening:
    """Set the stamp of history; read the subject's number and tenant, and the twin.

    The twin is the command of this actor with the same Idempotency-Key. From here to the end of the
    transaction the guarded tables may be written. The row that the handler locks is locked first.
    """
    subject, actor = context.subject, context.actor
    statement, has_tenant = _opening(subject.type if subject else "")
    params: list[Any] = [subject.id] if subject and has_tenant else []
    params += [read.parameter(command) for read in handling.opening_reads.values()]
    params += [*_facts(context), *(subject or NO_SUBJECT)]
    params += [actor.kind, actor.id, context.idempotency_key]
    model = handling.locked_models.get(type(command))
    locks = [rows.lock(model, pk=subject.id)] if subject and model else []
    *locked, (row,) = pipeline.send(*locks, Call(statement, params))
    for lock, found in zip(locks, locked, strict=True):
        pipeline.cache(lock, found)
    xid, number, tenant, twin_position, *facts = row
    named = dict(zip(handling.opening_reads, facts, strict=True))
    return Opening(xid, number or 0, tenant, twin_position, named)


def limit_transaction(timeout: timedelta) -> None:
    """Set short timeouts for the rest of the transaction, so that it cannot block others.

    A statement may take as long as ``timeout``, and wait for a lock for a quarter of it.
    """
    longest = round(timeout.total_seconds() * 1000)
    limits = f"SET LOCAL lock_timeout = {longest // 4}; SET LOCAL statement_timeout = {longest}"
    with connection.cursor() as cursor:
        cursor.execute(limits)


def append(
    record: CommandRecord,
    events: Sequence[Emitted] = (),
    *,
    expected_number: int | None = None,
    after: Iterable[Call] = (),
) -> None:
    """Write a command record and its events inside the transaction of the command.

    The statements of ``after`` are sent in the same round trip.

    :raises PreconditionFailed: if the subject is no longer at ``expected_number``.
    """
    call = _appending(record, events, expected_number)
    send = pipeline.send_last if record.status == Status.SUCCEEDED else pipeline.send
    try:
        send(call, *after)
    except IntegrityError as error:
        if _lacks(error, "audit_eventrecord", "number"):
            raise PreconditionFailed from error
        raise


def advances(events: Iterable[Emitted]) -> list[Call]:
    """Return the statements that count events without writing them, for a rehearsal."""
    subjects = sorted((event.subject_type, event.subject_id) for event in events)
    return [Call(_ADVANCE_ONE, subject) for subject in subjects]


def append_directly(record: CommandRecord, events: Sequence[Emitted] = (), *, using: str) -> None:
    """Write a command record and its events on any connection, also on the owner's.

    An outer transaction, such as that of a migration, goes on without permission to write.
    """
    statement, values = _appending(record, events, None)
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', %s, true)", [str(record.command_id)])
        cursor.execute(statement.template, values)
    stamp_directly(None, using=using)


def stamp(context: Context | None) -> None:
    """Set the stamp of history again: the changes that follow are this command's.

    None, in a reaction, ends the permission to change tracked tables.
    """
    call = Call(_STAMP_AGAIN, _facts(context) if context else _NO_FACTS)
    if deferring := pipeline.deferring():
        deferring.enqueue(call)
    else:
        pipeline.send(call)


def stamp_directly(context: Context | None, *, using: str) -> None:
    """Set the stamp of history on any connection; None ends the permission to write."""
    facts = _facts(context) if context else _NO_FACTS
    with connections[using].cursor() as cursor:
        cursor.execute(_STAMP_AGAIN.template, facts)


def _facts(context: Context) -> list[str]:
    actor, attempt = context.actor, str(context.attempt)
    return [
        *(str(context.command_id), attempt, context.reason),
        *(actor.kind, actor.person_id, actor.label),
    ]


def _appending(
    record: CommandRecord, events: Sequence[Emitted], expected_number: int | None
) -> Call:
    columns = _command_values(record)
    expected = (expected_number, record.subject_type, record.subject_id, expected_number)
    match events:
        case []:
            return Call(_APPEND_COMMAND, columns)
        case [event]:
            return Call(_APPEND_ONE, [*columns, *event[:-1], Jsonb(event.data), *expected])
        case _:
            emitted = Jsonb([event._asdict() for event in events], dumps=_as_json)
            return Call(_APPEND, [*columns, emitted, *expected])


def current_number(subject: Subject) -> int:
    """Return the number of the subject's last event, or 0."""
    row = pipeline.fetch(_NUMBER, subject)
    return row[0] if row else 0


def settle(records: Iterable[CommandRecord]) -> list[bool]:
    """Record attempts that were rolled back, in a separate transaction; return which were written.

    An attempt is not written if the log already has the outcome of the command, which is then the
    true one. An insert waits for any open transaction that writes the same key, so the result is
    right even while the COMMIT of that transaction is in progress.
    """
    calls = [Call(_SETTLE, _command_values(record)) for record in records]
    with transaction.atomic(durable=True):
        written = pipeline.send(*calls, *pipeline.commit_if_outermost())
        return [bool(rows) for rows in written[: len(calls)]]


def _command_values(record: CommandRecord) -> list[Any]:
    return [
        Jsonb(value) if name in _JSON_COLUMNS and value is not None else value
        for name in _COMMAND_COLUMNS
        for value in (getattr(record, name),)
    ]


def lacks_epoch(error: BaseException) -> bool:
    """Return True if a record was not written because the newest epoch is of another server."""
    return _lacks(error, "audit_commandrecord", "epoch")


def _lacks(error: BaseException, table: str, column: str) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    where = getattr(diagnosis, "table_name", ""), getattr(diagnosis, "column_name", "")
    return where == (table, column)


@cache
def _opening(subject_type: str) -> tuple[Statement, bool]:
    """Return the statement for a type of subject, and True if it reads a tenant by the id."""
    found = types.subject_type(subject_type)
    tenant = "NULL::text"
    if found and found.tenant_field:
        meta: Any = found.model._meta
        names = meta.get_field(found.tenant_field).column, meta.db_table, meta.pk.column
        column, table, key = map(connection.ops.quote_name, names)
        kind = meta.pk.db_type(connection)
        # Not null, which stands for a missing row.
        tenant = f"(SELECT coalesce({column}::text, '') FROM {table} WHERE {key} = %s::{kind})"
    reads = "".join(f", {each.sql}" for each in handling.opening_reads.values())
    sql = f"""
        SELECT pg_current_xact_id()::text::bigint, number, {tenant}, twin{reads}
        FROM (SELECT {_STAMP}) AS stamp,
            (SELECT (SELECT number - {PAID} FROM audit_streamhead AS present
                WHERE subject_type = %s AND subject_id = %s)) AS head (number),
            (SELECT (SELECT position FROM audit_commandrecord
                WHERE actor_kind = %s AND actor_id = %s AND idempotency_key = %s
                    AND attempt = 1)) AS earlier (twin)
    """
    return Statement(sql), bool(found and found.tenant_field)
