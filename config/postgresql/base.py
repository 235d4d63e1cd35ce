"""PostgreSQL backend that notices a closed connection without a query.

Django sends SELECT 1 before the first query of every request: a round trip of 100 µs, which is a
third of the time of authentication. A server that closes a connection sends a message first, so the
socket is readable when nothing is expected. As with SELECT 1, a connection that was cut without a
message is noticed by the next statement. Unlike Django's check, this one also covers statements
that bypass a cursor.
"""

import select

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Database wrapper that detects a connection closed by the server, and reconnects."""

    def ensure_connection(self) -> None:
        """Connect, or reconnect if the server closed the connection since the last request."""
        self.close_if_health_check_failed()
        super().ensure_connection()

    def is_usable(self) -> bool:
        """Return True unless the server is known to have closed the connection."""
        try:
            ready, _, _ = select.select([self.connection.pgconn.socket], [], [], 0)
        except (OSError, ValueError, psycopg.Error):
            return False
        return not ready
