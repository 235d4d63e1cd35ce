"""Deletion of a test's rows: as the owner, with the triggers under test disabled."""

import psycopg

_KEPT = ("django_migrations", "django_content_type", "auth_permission", "audit_epoch")
_WIPE_EPOCHS = """
BEGIN;
ALTER TABLE audit_epoch DISABLE TRIGGER USER;
DELETE FROM audit_epoch WHERE number > 1;
ALTER TABLE audit_epoch ENABLE TRIGGER USER;
COMMIT
"""
_WIPE = """
DO $$
DECLARE
    name text;
    has_rows boolean;
    filled text[] := '{}';
BEGIN
    SET LOCAL lock_timeout = '10s';
    FOR name IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL (%s)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %%I)', name) INTO has_rows;
        IF has_rows THEN filled := filled || name; END IF;
    END LOOP;
    FOREACH name IN ARRAY filled LOOP
        EXECUTE format('ALTER TABLE %%I DISABLE TRIGGER USER', name);
    END LOOP;
    FOREACH name IN ARRAY filled LOOP
        EXECUTE format('DELETE FROM %%I', name);
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    FOREACH name IN ARRAY filled LOOP
        EXECUTE format('ALTER TABLE %%I ENABLE TRIGGER USER', name);
    END LOOP;
END $$
"""


def wipe(owner: psycopg.Connection) -> None:
    """Delete the rows of every table except those that a migration filled."""
    tables = "'{" + ",".join(_KEPT) + "}'::text[]"
    owner.execute((_WIPE % tables).encode())
    if owner.execute("SELECT max(number) > 1 FROM audit_epoch").fetchone() == (True,):
        owner.execute(_WIPE_EPOCHS)
