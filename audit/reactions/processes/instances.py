"""The rows of processes: locked, read and written with their timers."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from psycopg.types.json import Jsonb

from audit.messages.catalog import lifted
from audit.reactions.processes.declarations import Declared
from audit.reactions.processes.process import Process
from audit.wire import pipeline
from audit.wire.statements import Call, Statement

# The row of a new instance conflicts with one that another worker inserts, and waits for it.
_LOCK = Statement("""
    INSERT INTO audit_processinstance AS present (process, key, state, schema_version)
    VALUES (%s, %s, '{}', %s) ON CONFLICT (process, key) DO UPDATE SET key = present.key
    RETURNING id, state::text, schema_version, now(), xmax = 0
""")
_SAVE = Statement(
    "UPDATE audit_processinstance SET state = %s::jsonb, schema_version = %s::int WHERE id = %s"
)
_SCHEDULE = Statement("""
    INSERT INTO audit_processtimer (instance_id, step, due_at, command_id, failures, error)
    VALUES (%s, %s, %s, %s, 0, '')
    ON CONFLICT (instance_id, step) DO UPDATE SET due_at = excluded.due_at, set_at = now(),
        command_id = excluded.command_id, failures = 0, error = ''
""")
_FORGET = Statement("""
    WITH gone AS (DELETE FROM audit_processtimer WHERE instance_id = %s)
    DELETE FROM audit_processinstance WHERE id = %s
""")


class Stored(NamedTuple):
    """The locked row of an instance. ``is_new`` if this transaction has inserted it."""

    id: int
    state: dict[str, Any]
    schema_version: int
    now: datetime
    is_new: bool


def lock(declared: Declared, key: str) -> Stored:
    """Lock the row of an instance, which is inserted if it is missing."""
    version = declared.process_class.schema_version
    ((instance_id, state, *rest),) = pipeline.send(Call(_LOCK, [declared.name, key, version]))[0]
    return Stored(instance_id, json.loads(state), *rest)


def loaded(declared: Declared, key: str, stored: Stored) -> Process:
    """Return an instance with its stored state.

    :raises ImproperlyConfigured: if its state does not fit the class, or is of a later version.
    """
    found = declared.process_class(key=key, now=stored.now, actor=declared.actor)
    version = found.schema_version
    state = lifted(declared.name, stored.schema_version, stored.state, to=version)
    if stored.schema_version > version or not state.keys() <= declared.fields.keys():
        message = f"the state of {declared.name} does not fit version {version} of its class"
        raise ImproperlyConfigured(message)
    for name, each in declared.fields.items():
        value = each.load(state[name]) if name in state else each.check(getattr(found, name))
        setattr(found, name, value)
    return found


def stored_state(declared: Declared, instance: Process) -> dict[str, Any]:
    """Return the fields of an instance as JSON, without those that have their default.

    :raises ValueError: if one is not of its declared type.
    """
    values = {name: getattr(instance, name) for name in declared.fields}
    return {
        name: declared.fields[name].dump(declared.fields[name].check(value))
        for name, value in values.items()
        if value != getattr(declared.process_class, name)
    }


def save(declared: Declared, instance: Process, stored: Stored, *, command_id: UUID | None) -> None:
    """Store an instance and its new timers, or forget it."""
    state, version = stored_state(declared, instance), instance.schema_version
    is_empty = stored.is_new and not (state or instance.scheduled)
    if instance.is_finished or is_empty:
        _defer(Call(_FORGET, [stored.id, stored.id]))
        return
    schedule(stored, instance.scheduled, command_id=command_id)
    if (state, version) != (stored.state, stored.schema_version):
        _defer(Call(_SAVE, [Jsonb(state), version, stored.id]))


def schedule(stored: Stored, times: Mapping[str, datetime], *, command_id: UUID | None) -> None:
    """Schedule steps of an instance."""
    for step, time in times.items():
        _defer(Call(_SCHEDULE, [stored.id, step, time, command_id]))


def _defer(call: Call) -> None:
    """Send a statement with the next one, if a savepoint does not prevent it."""
    if deferring := pipeline.deferring():
        deferring.enqueue(call)
    else:
        pipeline.send(call)
