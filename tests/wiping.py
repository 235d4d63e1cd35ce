"""Deletion of a test's rows: as the owner, with the triggers under test made to do nothing."""

import psycopg

_KEPT = ("django_migrations", "django_content_type", "auth_permission", "audit_epoch")
_WIPE_EPOCHS = """
BEGIN;
ALTER TABLE audit_epoch DISABLE TRIGGER USER;
DELETE FROM audit_epoch WHERE number > 1;
ALTER TABLE audit_epoch ENABLE TRIGGER USER;
COMMIT
"""
# The triggers' functions are replaced for the time being. To disable the triggers would make every
# session read the definitions of the tables again, and plan its statements again, in each test.
_WIPE = """
DO $$
DECLARE
    each text;
    has_rows boolean;
    filled text[] := '{}';
    functions text[];
    definitions text[];
BEGIN
    SET LOCAL lock_timeout = '10s';
    FOR each IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL (%s)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %%I)', each) INTO has_rows;
        IF has_rows THEN filled := filled || each; END IF;
    END LOOP;
    SELECT coalesce(array_agg(tgfoid::regprocedure), '{}'),
        coalesce(array_agg(pg_get_functiondef(tgfoid)), '{}')
    INTO functions, definitions
    FROM (
        SELECT DISTINCT tgfoid FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid = ANY (filled::regclass[])
    ) AS triggers;
    FOREACH each IN ARRAY functions LOOP
        EXECUTE 'CREATE OR REPLACE FUNCTION ' || each || ' RETURNS trigger LANGUAGE plpgsql'
            ' AS ''BEGIN RETURN coalesce(NEW, OLD); END''';
    END LOOP;
    FOREACH each IN ARRAY filled LOOP
        EXECUTE format('DELETE FROM %%I', each);
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    FOREACH each IN ARRAY definitions LOOP
        EXECUTE each;
    END LOOP;
END $$
"""


def wipe(owner: psycopg.Connection) -> None:
    """Delete the rows of every table except those that a migration filled."""
    tables = "'{" + ",".join(_KEPT) + "}'::text[]"
    owner.execute((_WIPE % tables).encode())
    if owner.execute("SELECT max(number) > 1 FROM audit_epoch").fetchone() == (True,):
        owner.execute(_WIPE_EPOCHS)
