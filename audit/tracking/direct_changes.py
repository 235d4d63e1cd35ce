"""Direct changes: the subjects that a change outside of commands touched, by the history of it.

Each gets an event, with the values that have changed, so that its stream has no gap and its state
still follows from its events.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, models
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from audit.bus.store import PAID
from audit.log import epochs
from audit.log.commands import ChangedDirectly
from audit.subjects import types
from audit.subjects.types import SubjectType
from audit.tracking.folding import State, evolves
from audit.tracking.history import history_model, written_models
from audit.tracking.parts import parts_of

#: The most subjects that a record names; all of them have an event.
MOST_NAMED = 100
_OWN = """
    SELECT {key}::text AS id, {tenant} AS tenant, past.history_type = '-' AS is_deleted, history_id,
        1 AS rank, (SELECT coalesce(jsonb_object_agg(field.key, field.value), '{{}}')
            FROM (SELECT {values}) AS each, jsonb_each(to_jsonb(each)) AS field
            WHERE field.value IS DISTINCT FROM to_jsonb(before) -> field.key) AS values
    FROM {history} AS past LEFT JOIN LATERAL (
        SELECT {values_before} FROM {history} AS earlier WHERE {earlier_key} = {key}
            AND history_id <= {since} ORDER BY history_date DESC, history_id DESC LIMIT 1
    ) AS before ON true
    WHERE history_id > {since} AND history_command_id = {command}"""
_OF_PART = """
    SELECT {whole}::text AS id,
        (SELECT {tenant} FROM {table} AS past WHERE {key} = part.{whole}) AS tenant,
        false AS is_deleted, history_id, 2 AS rank, '{{}}'::jsonb AS values
    FROM {history} AS part WHERE history_id > {since} AND history_command_id = {command}"""
_CHANGED = """
    SELECT DISTINCT ON (id) {type} AS type, id, coalesce(tenant, '') AS tenant, is_deleted, values
    FROM ({rows}) AS changed WHERE id IS NOT NULL ORDER BY id, rank, history_id DESC"""
_SUMMARY = """
    SELECT tenant, (array_agg(type || ':' || id ORDER BY type, id))[1:{most}]
    FROM ({changed}) AS all_types GROUP BY tenant ORDER BY tenant"""
_EMIT = """
    WITH changed AS ({changed}),
    head AS (
        INSERT INTO audit_streamhead AS present (subject_type, subject_id, number)
        SELECT type, id, 1 FROM changed ORDER BY type, id
        ON CONFLICT (subject_type, subject_id)
            DO UPDATE SET number = present.number + 1 - {paid}, paid_in = NULL
        RETURNING subject_type, subject_id, number
    )
    INSERT INTO audit_eventrecord (epoch, command_id, attempt, correlation_id, causation_id,
        occurred_at, number, id, subject_type, subject_id, message_type, schema_version, tenant,
        data)
    SELECT {epoch}, given.command_id, 1, given.command_id, {cause}, clock_timestamp(), number,
        gen_random_uuid(), type, changed.id, {message_type}, {schema_version}, changed.tenant,
        jsonb_build_object('outside_subject', type || ':' || changed.id, 'outside_values', values,
            'outside_deletion', is_deleted)
    FROM changed JOIN head ON (subject_type, subject_id) = (type, changed.id)
        JOIN unnest({tenants}::text[], {commands}::uuid[]) AS given (tenant, command_id)
            ON given.tenant = changed.tenant
    ORDER BY type, changed.id"""

_UNION = SQL(" UNION ALL ")

#: The newest history row of each table.
Since = Mapping[str, int]


class Touched(NamedTuple):
    """A tenant, empty for none, and the first of its subjects that were changed."""

    tenant: str
    subjects: tuple[str, ...]


def newest_history(*, using: str) -> Since:
    """Return the newest history row of each table, to find those that follow."""
    tables = {str(_history(model)._meta.db_table) for model in written_models()}
    return _newest(tables.intersection(connections[using].introspection.table_names()), using=using)


def grown(since: Since, *, using: str) -> Since:
    """Return ``since`` without the tables that have had no history row since then."""
    newest = _newest(since, using=using)
    return {table: number for table, number in since.items() if newest[table] > number}


def _newest(tables: Collection[str], *, using: str) -> dict[str, int]:
    reads = [
        SQL("SELECT {}, coalesce(max(history_id), 0) FROM {}").format(
            Literal(each), Identifier(each)
        )
        for each in tables
    ]
    return dict(_fetch(_UNION.join(reads), using=using)) if reads else {}


def touched(command_id: UUID, *, since: Since, using: str) -> list[Touched]:
    """Return the subjects that a command changed, by tenant."""
    changes = [SQL("({})").format(each) for each in _changed(command_id, since)]
    if not changes:
        return []
    changed = _UNION.join(changes)
    summary = SQL(_SUMMARY).format(most=Literal(MOST_NAMED), changed=changed)
    found = _fetch(summary, using=using)
    return [Touched(tenant, tuple(subjects)) for tenant, subjects in found]


def emit(command_id: UUID, *, since: Since, by_tenant: Mapping[str, UUID], using: str) -> None:
    """Write an event for each subject, of the command that is given for its tenant."""
    for changed in _changed(command_id, since):
        _fetch(
            SQL(_EMIT).format(
                changed=changed,
                paid=SQL(PAID),
                epoch=SQL(epochs.CURRENT),
                cause=Literal(str(command_id)),
                message_type=Literal(ChangedDirectly.message_type),
                schema_version=Literal(ChangedDirectly.schema_version),
                tenants=Literal(list(by_tenant)),
                commands=Literal([str(each) for each in by_tenant.values()]),
            ),
            using=using,
        )


def _changed(command_id: UUID, since: Since) -> Iterator[Composed]:
    """Yield a query for each type of subject: the subjects that the command changed."""
    for subject_type in types.subject_types():
        if history_model(subject_type.model) and (
            rows := list(_rows(subject_type, command_id, since))
        ):
            yield SQL(_CHANGED).format(type=Literal(subject_type.name), rows=_UNION.join(rows))


def _rows(subject_type: SubjectType, command_id: UUID, since: Since) -> Iterator[Composed]:
    model = subject_type.model
    facts = {
        "key": Identifier("past", str(model._meta.pk.column)),
        "tenant": _tenant(subject_type),
        "command": Literal(str(command_id)),
    }
    own = _history(model)._meta.db_table
    if own in since:
        yield SQL(_OWN).format(
            **facts,
            earlier_key=Identifier("earlier", str(model._meta.pk.column)),
            values=_values(subject_type, of="past"),
            values_before=_values(subject_type, of="earlier"),
            history=Identifier(own),
            since=Literal(since[own]),
        )
    for part in parts_of(model):
        history = part.history._meta.db_table
        if history in since:
            yield SQL(_OF_PART).format(
                **facts,
                whole=Identifier(str(part.owner.column)),
                table=Identifier(model._meta.db_table),
                history=Identifier(history),
                since=Literal(since[history]),
            )


def _tenant(subject_type: SubjectType) -> Composable:
    if subject_type.tenant_field is None:
        return SQL("''")
    field: Any = subject_type.model._meta.get_field(subject_type.tenant_field)
    return SQL("{}::text").format(Identifier("past", field.column))


def _values(subject_type: SubjectType, *, of: str) -> Composed:
    """Return the columns that may be shown, under the names of their attributes."""
    kept = {field.attname for field in _history(subject_type.model).tracked_fields}
    shown = types.subject_fields(subject_type).items()
    return SQL(", ").join(
        SQL("{}{} AS {}").format(
            Identifier(of, field.column),
            # As a number of JSON it would lose digits.
            SQL("::text" if isinstance(field, models.DecimalField) else ""),
            Identifier(name),
        )
        for name, field in shown
        if name in kept
    )


@evolves(ChangedDirectly)
def _take_over(_: State, event: ChangedDirectly) -> State:
    return event.outside_values


def _history(model: type[models.Model]) -> Any:
    return history_model(model)


def _fetch(statement: Composable, *, using: str) -> Sequence[Any]:
    with connections[using].cursor() as cursor:
        cursor.execute(statement.as_string(None))
        return cursor.fetchall() if cursor.description else []
