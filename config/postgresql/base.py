"""PostgreSQL as Django knows it, but that a connection has ended is seen without asking it.

Django sends SELECT 1 before the first query of every request: a trip of 100 µs, which is a third of
what it takes to authenticate. A server that ended a connection has said so: there is something to
read where nothing is due. As with SELECT 1, a connection that was cut without a word is found by
the next statement; and unlike Django's, this look also comes before what is sent past a cursor.
"""

import select

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Looks whether the server has hung up, and then connects anew."""

    def ensure_connection(self) -> None:
        """Connect, also where there was a connection at the last request that has ended."""
        self.close_if_health_check_failed()
        super().ensure_connection()

    def is_usable(self) -> bool:
        """Tell whether the server is still there, as far as it has told."""
        try:
            ready, _, _ = select.select([self.connection.pgconn.socket], [], [], 0)
        except (OSError, ValueError, psycopg.Error):
            return False
        return not ready
