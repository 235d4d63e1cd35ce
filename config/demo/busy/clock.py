"""A clock that can be set back, for this process and its own database session only.

The product has no way to do this, on purpose. In Python, Django's clock is replaced. In the
database, a schema before pg_catalog in the search path has clocks that run behind, also for the
functions that write history; only the owner can create one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

import psycopg
from django.db import connection, connections
from django.utils import timezone

_SCHEMA = "demo_clock"
# Of this session; others have none.
_OFFSET = "coalesce(pg_catalog.current_setting('demo.offset', true), '0')::interval"
_MAKE = f"""
    DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE;
    CREATE SCHEMA {_SCHEMA};
    CREATE FUNCTION {_SCHEMA}.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE RETURN
        pg_catalog.clock_timestamp() + {_OFFSET};
    CREATE FUNCTION {_SCHEMA}.now() RETURNS timestamptz LANGUAGE sql STABLE RETURN
        pg_catalog.now() + {_OFFSET};
    GRANT USAGE ON SCHEMA {_SCHEMA} TO PUBLIC;
"""
_SET_PATH = """
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT oid::regprocedure FROM pg_proc WHERE starts_with(proname, 'audit_track_')
        LOOP
            EXECUTE 'ALTER FUNCTION ' || name || ' SET search_path = {}pg_catalog, pg_temp';
        END LOOP;
    END $$
"""
# In one statement, because a connection that is reopened after an error has none of these settings.
# A server crash may lose the last commits: the demo can be played again.
_TURN = f"""
    SELECT set_config('search_path', '{_SCHEMA}, pg_catalog, public', false),
        set_config('synchronous_commit', 'off', false), set_config('demo.offset', %s, false)
"""


@contextmanager
def clock_set_back(moment: datetime) -> Iterator[None]:
    """Set the clock back to a time; restore the real time at the end."""
    _execute_as_owner(_MAKE)
    _execute_as_owner(_SET_PATH.format(f"{_SCHEMA}, "))
    vars(timezone)["datetime"] = _Turned
    try:
        _turn_to(moment)
        yield
    finally:
        vars(timezone)["datetime"] = datetime
        execute("RESET search_path; RESET synchronous_commit")
        _execute_as_owner(_SET_PATH.format(""))
        _execute_as_owner(f"DROP SCHEMA {_SCHEMA} CASCADE")


def go_on_to(moment: datetime) -> None:
    """Set the clock, at least a second later than it is: no time occurs twice."""
    _turn_to(max(moment, timezone.now() + timedelta(seconds=1)))


def _turn_to(moment: datetime) -> None:
    _Turned.offset = moment - datetime.now(moment.tzinfo)
    execute(_TURN, f"{_Turned.offset.total_seconds()} seconds")


class _Turned(datetime):
    """Django's clock, also where a model's default holds a reference to the function."""

    offset: ClassVar[timedelta] = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.offset


def execute(sql: str, *parameters: str) -> None:
    """Execute SQL with a new cursor: after a failure, the connection may be another one."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def _execute_as_owner(sql: str) -> None:
    parameters = connections["owner"].get_connection_params()
    with psycopg.connect(**parameters, autocommit=True) as owner:
        owner.execute(sql)
