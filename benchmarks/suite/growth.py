"""The cost of writes as data grows: a subject's events, the log's records."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, connections

from benchmarks.suite.crew import crew_of, interleaved
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.progress import Progress
from benchmarks.suite.results import Figures, Goal, Result
from benchmarks.suite.stage import Stage, settle

_FEW_EVENTS, _MANY_EVENTS = 10, 10_000
_BATCH = 250_000
_ITSELF = "itself, slower by"
_COPY = "countersign_benchmark_full"


def stream(measuring: Measuring) -> list[Result]:
    """Write to a subject with few events, and to one with many."""
    short, long = measuring.stage.spare[0], measuring.stage.spare[1]
    for key_id, events in ((short, _FEW_EVENTS), (long, _MANY_EVENTS)):
        _lengthen(key_id, events)
    settle()
    names = f"{_FEW_EVENTS} events", f"{_MANY_EVENTS:,} events"
    with crew_of(1, measuring.stage) as crew:
        sides = {
            name: (crew, f"dispatch_on {key_id}")
            for name, key_id in zip(names, (short, long), strict=True)
        }
        found = interleaved(sides, **measuring.rounds, label="length of a stream")
    what = f"subject with {_FEW_EVENTS} → {_MANY_EVENTS:,} events"
    return [_slower("stream", Goal(what, _ITSELF, 5, 10, "less", "%"), *found.values())]


def log(measuring: Measuring) -> list[Result]:
    """Write to a new log, and to one of many records."""
    with full_copy(measuring) as full, crew_of(1, measuring.stage) as here:  # noqa: SIM117
        with crew_of(1, full) as there:
            sides = {
                "a new log": (here, "dispatch"),
                f"{measuring.records:,} records": (there, "dispatch"),
            }
            found = interleaved(sides, **measuring.rounds, label="size of the log")
    what = f"0 → {measuring.records:,} records in the log"
    return [_slower("log", Goal(what, _ITSELF, 10, 20, "less", "%"), *found.values())]


def _slower(row: str, goal: Goal, small: Figures, large: Figures) -> Result:
    growth = (small.rate / large.rate - 1) * 100
    return Result(row=row, goal=goal, measured=growth, sides=[small, large])


def _lengthen(key_id: str, events: int) -> None:
    """Copy an event of the log until a subject has N, as if commands had added them."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, false)")
        cursor.execute(_HEAD, {"key": key_id, "events": events})
        cursor.execute(_EVENTS, {"key": key_id, "events": events})


@contextmanager
def full_copy(measuring: Measuring) -> Iterator[Stage]:
    """Make a second database with the same keys, whose log has many records."""
    connections.close_all()
    _as_owner(f"DROP DATABASE IF EXISTS {_COPY}")
    _as_owner(f"CREATE DATABASE {_COPY} TEMPLATE {measuring.stage.database}")
    try:
        _fill(measuring.records)
        yield measuring.stage._replace(database=_COPY)
    finally:
        _as_owner(f"DROP DATABASE {_COPY} WITH (FORCE)")


def _fill(records: int) -> None:
    """Write the records, without indexes and triggers meanwhile, and analyze what is there."""
    owner = connections["owner"].copy()
    owner.settings_dict["NAME"] = _COPY
    with owner.cursor() as cursor:
        cursor.execute(_INDEXES)
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        for table in ("audit_commandrecord", "audit_eventrecord"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        progress = Progress("records", total=records)
        for first in range(0, records, _BATCH):
            size = min(_BATCH, records - first)
            cursor.execute(_RECORDS, {"first": first, "size": size})
            progress.tell(first + size)
        cursor.execute("SET maintenance_work_mem = '1GB'")
        progress = Progress("indexes", total=len(indexes))
        for place, (_, definition) in enumerate(indexes, start=1):
            cursor.execute(definition)
            progress.tell(place)
        for table in ("audit_commandrecord", "audit_eventrecord"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("VACUUM ANALYZE")
    owner.close()


def _as_owner(statement: str) -> None:
    owner = connections["owner"].copy()
    owner.settings_dict["NAME"] = "postgres"
    with owner.cursor() as cursor:
        cursor.execute(statement)
    owner.close()
    connection.close()


# Whatever columns the tables have, so it goes on working when they get more.
_EVENTS = """
    INSERT INTO audit_eventrecord
    SELECT copy.* FROM (SELECT event AS model FROM audit_eventrecord AS event LIMIT 1) AS given,
        generate_series(
            1 + coalesce((SELECT max(number) FROM audit_eventrecord
                WHERE subject_type = 'api-key' AND subject_id = %(key)s), 0),
            %(events)s) AS step (place)
    CROSS JOIN LATERAL jsonb_populate_record(model, jsonb_build_object(
        'id', gen_random_uuid(), 'subject_type', 'api-key', 'subject_id', %(key)s::text,
        'number', step.place, 'position', nextval('audit_position'),
        'command_id', gen_random_uuid(), 'xid', pg_current_xact_id()::text)) AS copy
"""
_HEAD = """
    INSERT INTO audit_streamhead (subject_type, subject_id, number)
    VALUES ('api-key', %(key)s, %(events)s)
    ON CONFLICT (subject_type, subject_id) DO UPDATE SET number = excluded.number
"""
_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename IN ('audit_commandrecord', 'audit_eventrecord')
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
"""
# A year of commands, each with one event, about half a million subjects.
_RECORDS = """
    WITH given AS (
        SELECT place, gen_random_uuid() AS command_id, gen_random_uuid() AS event_id,
            md5((place %% 500000)::text)::uuid::text AS subject_id,
            now() - interval '365 days' * (1 - place / 1e8) AS at,
            (SELECT command FROM audit_commandrecord AS command
                WHERE status = 'succeeded' ORDER BY position DESC LIMIT 1) AS command,
            (SELECT event FROM audit_eventrecord AS event ORDER BY position DESC LIMIT 1) AS event
        FROM generate_series(%(first)s + 1, %(first)s + %(size)s) AS step (place)
    ), told AS (
        INSERT INTO audit_eventrecord
        SELECT copy.* FROM given
        CROSS JOIN LATERAL jsonb_populate_record(event, jsonb_build_object(
            'id', event_id, 'subject_type', 'api-key', 'subject_id', subject_id,
            'number', place, 'position', nextval('audit_position'),
            'command_id', command_id, 'correlation_id', command_id, 'occurred_at', at)) AS copy
    )
    INSERT INTO audit_commandrecord
    SELECT copy.* FROM given
    CROSS JOIN LATERAL jsonb_populate_record(command, jsonb_build_object(
        'position', nextval('audit_position'), 'command_id', command_id, 'attempt', 1,
        'correlation_id', command_id, 'subject_type', 'api-key', 'subject_id', subject_id,
        'idempotency_key', NULL, 'received_at', at)) AS copy
"""
