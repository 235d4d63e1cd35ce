"""A clock that can be set back, for this process and its own database session only.

The product has no way to do this, on purpose. In Python, Django's clock is replaced. In the
database, a schema before pg_catalog in the search path has clocks that run behind; only the owner
can create one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

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
# In one statement, because a connection that is reopened after an error has none of these settings.
# A server crash may lose the last commits: the demo can be played again.
_TURN = f"""
    SELECT set_config('search_path', '{_SCHEMA}, pg_catalog, public', false),
        set_config('synchronous_commit', 'off', false), set_config('demo.offset', %s, false)
"""


class Clock:
    """A clock that runs a set time behind."""

    def __init__(self) -> None:
        self._reached = datetime.min.replace(tzinfo=timezone.get_default_timezone())

    def go_to(self, moment: datetime) -> None:
        """Set the clock, at least a second after the last time: no time occurs twice."""
        self._reached = max(moment, self._reached + timedelta(seconds=1))
        _Turned.offset = self._reached - datetime.now(moment.tzinfo)
        with connection.cursor() as cursor:
            cursor.execute(_TURN, [f"{_Turned.offset.total_seconds()} seconds"])


@contextmanager
def clock_set_back() -> Iterator[Clock]:
    """Yield a clock that can be set back; restore the real time at the end."""
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
    """Django's clock, also where a model's default holds a reference to the function."""

    offset: ClassVar[timedelta] = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.offset


def _as_owner(*statements: str) -> None:
    with connections["owner"].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
