"""The roles and the database of an embedded server: the owner migrates, the application serves."""

import psycopg

from config.first_run.embedded_postgres import Cluster

DATABASE = "countersign"
OWNER = "countersign_owner"
APPLICATION = "countersign_app"

# Any number will do, as long as every process that makes the roles takes the same one.
_ADVISORY_LOCK = 0x636F756E


_ROLE = "SELECT FROM pg_roles WHERE rolname = %s"
_DATABASE = "SELECT FROM pg_database WHERE datname = %s"
# The statements that find what is missing, and those that create it.
_PARTS = (
    (_ROLE, OWNER, f"CREATE ROLE {OWNER} LOGIN CREATEDB"),
    (_ROLE, APPLICATION, f"CREATE ROLE {APPLICATION} LOGIN"),
    (_DATABASE, DATABASE, f"CREATE DATABASE {DATABASE} OWNER {OWNER}"),
)
_LIMIT_ACCESS = (
    f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
    f"GRANT CONNECT ON DATABASE {DATABASE} TO {APPLICATION}",
)


def ensure(server: Cluster) -> None:
    """Create the missing roles and the missing database.

    Neither role is a superuser: a superuser could bypass the triggers on the records.
    """
    superuser = server.url(user="postgres", database="postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        # CREATE ROLE and CREATE DATABASE know no IF NOT EXISTS, and processes start at once.
        connection.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        for find, name, create in _PARTS:
            if not connection.execute(find, [name]).fetchall():
                connection.execute(create)
        # CREATE DATABASE runs in no transaction: a start that was stopped may have come no further.
        for statement in _LIMIT_ACCESS:
            connection.execute(statement)
