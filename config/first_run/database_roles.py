"""The roles and the database of an embedded server: the owner migrates, the application serves."""

import psycopg
from psycopg import sql

from config.first_run.embedded_postgres import Server

DATABASE = "countersign"
OWNER = "countersign_owner"
APPLICATION = "countersign_app"

# Any number will do, as long as every process that makes the roles takes the same one.
_ADVISORY_LOCK = 0x636F756E


def ensure(server: Server) -> None:
    """Make the roles and the database that are missing.

    Neither role is a superuser: a superuser could write where the records' triggers say no.
    """
    superuser = server.url(user="postgres", database="postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        # CREATE ROLE and CREATE DATABASE know no IF NOT EXISTS, and processes start at once.
        connection.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        _ensure_role(connection, name=OWNER, abilities=sql.SQL("LOGIN CREATEDB"))
        _ensure_role(connection, name=APPLICATION, abilities=sql.SQL("LOGIN"))
        _ensure_database(connection)


def _ensure_role(connection: psycopg.Connection, *, name: str, abilities: sql.SQL) -> None:
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchall():
        connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), abilities))


def _ensure_database(connection: psycopg.Connection) -> None:
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchall()
    if not found:
        connection.execute(_CREATE_DATABASE)
    # CREATE DATABASE runs in no transaction: a start that was stopped may have come no further.
    for statement in _LIMIT_ACCESS:
        connection.execute(statement)


_NAMES = {
    "database": sql.Identifier(DATABASE),
    "owner": sql.Identifier(OWNER),
    "application": sql.Identifier(APPLICATION),
}
_CREATE_DATABASE = sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**_NAMES)
_LIMIT_ACCESS = (
    sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC").format(**_NAMES),
    sql.SQL("GRANT CONNECT ON DATABASE {database} TO {application}").format(**_NAMES),
)
