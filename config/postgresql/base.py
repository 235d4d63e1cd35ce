"""PostgreSQL backend that never waits without a deadline, and notices a closed connection.

Django sends SELECT 1 before the first query of every request: a round trip of 100 µs, which is a
third of the time of authentication. A server that closes a connection sends a message first, so the
socket is readable when nothing is expected. As with SELECT 1, a connection that was cut without a
message is noticed by the next statement. Unlike Django's check, this one also covers statements
that bypass a cursor.
"""

import select
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base
from psycopg import IsolationLevel
from psycopg.abc import PQGen

_Result = TypeVar("_Result")


class Connection(psycopg.Connection[Any]):
    """A connection that is closed if the server does not respond within its deadline.

    All waits end here: those of cursors, COPY, COMMIT, ROLLBACK and pipelines. The operating system
    notices only a peer that is gone: not a server that is stopped, nor a COMMIT that waits for a
    standby.
    """

    #: The longest wait for one response, in seconds; None: forever.
    deadline: float | None = None

    def wait(
        self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None
    ) -> _Result:
        """Wait for a response.

        :raises OperationalError: if there is none in time, as for a lost connection.
        """
        if timeout is not None or self.deadline is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.deadline)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001  # documented by `wait` alone
            self.close()
        raise psycopg.OperationalError(f"the server did not respond within {self.deadline:g} s")


class DatabaseWrapper(base.DatabaseWrapper):
    """Database wrapper that detects a connection closed by the server, and reconnects.

    It connects for statements only, so whatever needs no database works without one.
    """

    def get_connection_params(self) -> dict[str, Any]:
        """Return libpq's parameters, without ours."""
        parameters: dict[str, Any] = super().get_connection_params()
        parameters.pop("deadline", None)
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """Connect, with the deadline of the settings."""
        self.isolation_level = IsolationLevel.READ_COMMITTED
        connection = Connection.connect(**conn_params)
        connection.deadline = self.settings_dict["OPTIONS"].get("deadline")
        return connection

    def ensure_connection(self) -> None:
        """Connect, or reconnect if the server closed the connection since the last request."""
        self.close_if_health_check_failed()
        super().ensure_connection()

    def get_autocommit(self) -> bool:
        """Return the mode of the connection, or of the next one, without connecting."""
        return self.autocommit if self.connection else self.settings_dict["AUTOCOMMIT"]

    def set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:  # noqa: FBT001  # Django's
        """Set the mode, unless the next connection has it anyway."""
        if self.connection or autocommit != self.settings_dict["AUTOCOMMIT"]:
            super().set_autocommit(autocommit, *args, **kwargs)

    def is_usable(self) -> bool:
        """Return True unless the server is known to have closed the connection."""
        poll = select.poll()
        try:
            poll.register(self.connection.pgconn.socket, select.POLLIN)
            return not poll.poll(0)
        except (OSError, ValueError, psycopg.Error):
            return False

    def on_commit(self, func: Callable[[], object], robust: bool = False) -> None:  # noqa: FBT001, FBT002  # Django's
        """Call a function after COMMIT; if it raises, that is logged, and the others are called."""

        def named() -> object:
            return func()

        # Django logs the name of the function, which a partial lacks.
        is_nameless = callable(func) and not hasattr(func, "__qualname__")
        super().on_commit(named if is_nameless else func, robust=True)
