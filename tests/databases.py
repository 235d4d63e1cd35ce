"""Databases that a test creates beside its own."""

from psycopg import Connection, errors, sql

from tests.threads import until


def drop_database(owner: Connection, name: str) -> None:
    """Drop a database, if there is one, with the connections to it.

    An autovacuum worker belongs to a superuser: only the server may end it, so that is waited for.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))

    def is_dropped() -> bool:
        try:
            owner.execute(statement)
        except errors.InsufficientPrivilege:
            return False
        return True

    until(is_dropped)
