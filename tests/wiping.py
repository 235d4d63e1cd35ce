"""Deletion of a test's rows: as the superuser, without the triggers under test."""

import psycopg

_KEPT = ("django_migrations", "django_content_type", "auth_permission", "audit_epoch")
# Without the triggers of the session. To disable or replace those of the tables would make every
# session read the definitions again, and plan its statements again, in each test.
_WIPE = """
DO $$
DECLARE
    each text;
    has_rows boolean;
BEGIN
    SET LOCAL lock_timeout = '10s';
    SET LOCAL session_replication_role = replica;
    FOR each IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL (%s)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %%I)', each) INTO has_rows;
        IF has_rows THEN EXECUTE format('DELETE FROM %%I', each); END IF;
    END LOOP;
    DELETE FROM audit_epoch WHERE number > 1;
END $$
"""


def wipe(superuser: psycopg.Connection) -> None:
    """Delete the rows of every table except those that a migration filled."""
    tables = "'{" + ",".join(_KEPT) + "}'::text[]"
    superuser.execute((_WIPE % tables).encode())
