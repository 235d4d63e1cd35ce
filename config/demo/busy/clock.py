"""A clock that can be set back: for this process and its own database session only.

The product cannot do this, on purpose. In Python, Django's clock is turned; in the database, a
schema stands before pg_catalog whose clocks are behind, and only the owner can make one.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

import psycopg
from django.db import connection, connections
from django.utils import timezone

_SCHEMA = "demo_clock"
_TURNED = """
    CREATE FUNCTION demo_clock.{name}() RETURNS timestamptz LANGUAGE sql {volatility} RETURN
        pg_catalog.{name}() + pg_catalog.current_setting('demo.offset')::interval
"""
_MAKE = (
    f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE",
    f"CREATE SCHEMA {_SCHEMA}",
    _TURNED.format(name="clock_timestamp", volatility="VOLATILE"),
    _TURNED.format(name="now", volatility="STABLE"),
    f"GRANT USAGE ON SCHEMA {_SCHEMA} TO PUBLIC",
)
# All at once, for whoever connects anew after an error knows none of it. What is lost in a crash
# of the server can be played again, so no commit waits for the disk.
_TURN = f"""
    SELECT set_config('search_path', '{_SCHEMA}, pg_catalog, public', false),
        set_config('synchronous_commit', 'off', false), set_config('demo.offset', %s, false)
"""


class Clock:
    """Tells a time that is some way behind, and goes on from there."""

    def __init__(self) -> None:
        self._reached = datetime.min.replace(tzinfo=timezone.get_default_timezone())

    def go_to(self, moment: datetime) -> None:
        """Let it be this moment now, or a second after the last one: no time comes twice."""
        self._reached = max(moment, self._reached + timedelta(seconds=1))
        _Turned.offset = self._reached - datetime.now(moment.tzinfo)
        with connection.cursor() as cursor:
            cursor.execute(_TURN, [f"{_Turned.offset.total_seconds()} seconds"])


@contextmanager
def clock_set_back() -> Iterator[Clock]:
    """Lend a clock; at the end it is the present again, and nothing is left of it."""
    _as_owner(*_MAKE)
    vars(timezone)["datetime"] = _Turned
    try:
        yield Clock()
    finally:
        vars(timezone)["datetime"] = datetime
        with connection.cursor() as cursor:
            cursor.execute("RESET search_path")
            cursor.execute("RESET synchronous_commit")
        _as_owner(f"DROP SCHEMA {_SCHEMA} CASCADE")


class _Turned(datetime):
    """What Django asks for the time, also where a model's default has kept the function."""

    offset: ClassVar[timedelta] = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """Tell the time that it is meant to be."""
        return datetime.now(tz) + cls.offset


def _as_owner(*statements: str) -> None:
    settings = connections["owner"].get_connection_params()
    with closing(psycopg.connect(**settings, autocommit=True)) as owner:
        for statement in statements:
            owner.execute(statement)
