"""The log's own SQL: opening a transaction, appending to it, settling what was rolled back."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection, transaction
from psycopg.types.json import Jsonb

from audit import registry
from audit.messages import Command, Subject
from audit.models import CommandRecord, EventRecord

_COMMAND_COLUMNS = tuple(
    field.attname
    for field in CommandRecord._meta.concrete_fields
    if field.attname not in ("position", "epoch", "xid")
)
_JSON_COLUMNS = frozenset({"data", "decision"})
_EVENT_COLUMNS = {
    "id": "uuid",
    "subject_type": "text",
    "subject_id": "text",
    "message_type": "text",
    "schema_version": "int",
    "data": "text",
    "tenant": "text",
}
_EPOCH = "(SELECT max(number) FROM audit_epoch)"
_INSERT_COMMAND = f"""
    INSERT INTO audit_commandrecord (epoch, {", ".join(_COMMAND_COLUMNS)})
    VALUES ({_EPOCH}, {", ".join(["%s"] * len(_COMMAND_COLUMNS))})
"""
_APPEND_COMMAND = f"{_INSERT_COMMAND} RETURNING position"

# One statement for the command, its events and their numbers. The stream heads are locked in the
# order of their keys, so two commands about the same subjects cannot deadlock here, and they are
# taken last, so they are held no longer than the commit takes. A head that is not at the number
# that the caller expected is not updated, and then its events have no head to join.
_APPEND = f"""
    WITH command AS ({_APPEND_COMMAND}),
    emitted AS (
        SELECT *,
            row_number() OVER (PARTITION BY subject_type, subject_id ORDER BY place) AS step,
            count(*) OVER (PARTITION BY subject_type, subject_id) AS steps
        FROM unnest({", ".join(f"%s::{kind}[]" for kind in _EVENT_COLUMNS.values())})
            WITH ORDINALITY AS given ({", ".join(_EVENT_COLUMNS)}, place)
    ),
    head AS (
        INSERT INTO audit_streamhead AS present (subject_type, subject_id, number)
        SELECT subject_type, subject_id, count(*) FROM emitted
        GROUP BY subject_type, subject_id ORDER BY subject_type, subject_id
        ON CONFLICT (subject_type, subject_id)
        DO UPDATE SET number = present.number + excluded.number
        WHERE %s::bigint IS NULL
            OR (present.subject_type, present.subject_id) <> (%s::text, %s::text)
            OR present.number = %s::bigint
        RETURNING subject_type, subject_id, number
    ),
    event AS (
        INSERT INTO audit_eventrecord (epoch, id, subject_type, subject_id, number, message_type,
            schema_version, data, tenant, command_id, attempt, correlation_id, causation_id,
            occurred_at)
        SELECT {_EPOCH}, id, subject_type, subject_id, number - steps + step, message_type,
            schema_version, data::jsonb, tenant, %s::uuid, %s::int, %s::uuid, %s::uuid,
            clock_timestamp()
        FROM emitted JOIN head USING (subject_type, subject_id)
        ORDER BY place
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM event), (SELECT position FROM command)
"""


class Opening(NamedTuple):
    """What a dispatch has to know before anything else; one row, one trip."""

    number: int
    tenant: str | None
    twin_position: int | None
    facts: dict[str, Any]


class Twin(NamedTuple):
    """Whose Idempotency-Key to look for."""

    actor_kind: str
    actor_id: str
    idempotency_key: str | None


def open_transaction(command: Command, *, command_id: UUID, twin: Twin) -> Opening:
    """Name the command to the database, and read the subject's number and tenant and the twin.

    From here to the end of the transaction the tables that are guarded may be written.
    """
    subject = command.subject_reference()
    sql, has_tenant = _opening_sql(subject.type if subject else "")
    questions = registry.opening_questions()
    params: list[Any] = [subject.id] if subject and has_tenant else []
    params += [question.parameter(command) for question in questions.values()]
    params += [str(command_id), *(subject or ("", "")), *twin]
    number, tenant, twin_position, *answers = _fetch(sql, params)
    return Opening(number or 0, tenant, twin_position, dict(zip(questions, answers, strict=True)))


def limit_transaction() -> None:
    """Have what follows in this transaction give up soon: it must not keep others waiting."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '2s'")


def check_constraints() -> None:
    """Check at once what the database would check at COMMIT."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def append(
    record: CommandRecord, events: Sequence[EventRecord], *, expected_number: int | None = None
) -> int | None:
    """Write a command record and its events inside the transaction of the command.

    Returns the position of the record; or None, and the caller has to roll back, if the subject
    is no longer at ``expected_number``.
    """
    if not events:
        return int(_fetch(_APPEND_COMMAND, _command_values(record))[0])
    columns = [[_event_value(event, name) for event in events] for name in _EVENT_COLUMNS]
    written, position = _fetch(
        _APPEND,
        [
            *_command_values(record),
            *columns,
            *(expected_number, record.subject_type, record.subject_id, expected_number),
            *(record.command_id, record.attempt, record.correlation_id, events[0].causation_id),
        ],
    )
    return int(position) if written == len(events) else None


def has_moved(subject: Subject, *, expected_number: int) -> bool:
    """Tell whether somebody has written to a subject since it was at ``expected_number``."""
    sql = "SELECT number FROM audit_streamhead WHERE subject_type = %s AND subject_id = %s"
    row = _fetch(sql, subject)
    return (row[0] if row else 0) != expected_number


def settle(records: Iterable[CommandRecord]) -> list[bool]:
    """Write down attempts that were rolled back, in a transaction of their own.

    Returns for each whether it was written. It is not where the log already says what came of
    the command: then that is the truth. An insert waits for a transaction under way that writes
    the same key, so the answer holds even if that one's COMMIT is still being carried out.
    """
    sql = f"{_INSERT_COMMAND} ON CONFLICT DO NOTHING RETURNING 1"
    with transaction.atomic(durable=True):
        return [_execute(sql, _command_values(record)) == 1 for record in records]


def _command_values(record: CommandRecord) -> list[Any]:
    return [
        Jsonb(value) if name in _JSON_COLUMNS and value is not None else value
        for name in _COMMAND_COLUMNS
        for value in (getattr(record, name),)
    ]


def _event_value(event: EventRecord, name: str) -> Any:
    value = getattr(event, name)
    return json.dumps(value) if name == "data" else value


@cache
def _opening_sql(subject_type: str) -> tuple[str, bool]:
    found = registry.subject_type(subject_type)
    tenant = "NULL::text"
    if found and found.tenant_field:
        meta: Any = found.model._meta
        names = meta.get_field(found.tenant_field).column, meta.db_table, meta.pk.column
        what, table, where = map(connection.ops.quote_name, names)
        tenant = (
            f"(SELECT {what}::text FROM {table} WHERE {where} = %s::{meta.pk.db_type(connection)})"
        )
    questions = "".join(f", {each.sql}" for each in registry.opening_questions().values())
    sql = f"""
        SELECT number, {tenant}, twin{questions} FROM set_config('audit.command_id', %s, true),
            (SELECT (SELECT number FROM audit_streamhead
                WHERE subject_type = %s AND subject_id = %s)) AS head (number),
            (SELECT (SELECT position FROM audit_commandrecord
                WHERE actor_kind = %s AND actor_id = %s AND idempotency_key = %s
                    AND attempt = 1)) AS earlier (twin)
    """
    return sql, bool(found and found.tenant_field)


def _fetch(sql: str, params: Sequence[Any]) -> Any:
    with connection.wrap_database_errors:
        return psycopg.Cursor(connection.connection).execute(sql, params, prepare=True).fetchone()


def _execute(sql: str, params: Sequence[Any]) -> int:
    with connection.wrap_database_errors:
        return psycopg.Cursor(connection.connection).execute(sql, params, prepare=True).rowcount
