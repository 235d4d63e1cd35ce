from django.db import migrations

# Once these exist, `manage.py migrate` attaches the triggers of each table and its history: see
# audit/tracking/protection.py.
CREATE_FUNCTIONS = """
    CREATE FUNCTION audit_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% has a history: TRUNCATE would leave none', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Use DELETE.';
    END $$;

    CREATE FUNCTION audit_refuse_direct_history() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is written by the database only', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END $$;

    -- While servers of the release before may be connected: they name no actor, and for them no
    -- other trigger writes history.
    CREATE FUNCTION audit_drop_direct_history() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF coalesce(current_setting('audit.actor_kind', true), '') = '' THEN
            RETURN NEW;
        END IF;
        RETURN NULL;
    END $$;
"""
DROP_FUNCTIONS = r"""
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN
            SELECT oid::regprocedure FROM pg_proc
            WHERE pronamespace = current_schema()::regnamespace
                AND (proname LIKE 'audit\_track\_%' OR proname IN ('audit_refuse_truncate',
                    'audit_refuse_direct_history', 'audit_drop_direct_history'))
        LOOP
            EXECUTE 'DROP FUNCTION ' || name || ' CASCADE';
        END LOOP;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0016_numbers_of_changes")]

    operations = [migrations.RunSQL(CREATE_FUNCTIONS, DROP_FUNCTIONS)]
