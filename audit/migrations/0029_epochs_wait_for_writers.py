from django.db import migrations

# A transaction that has appended to the epoch before must have ended, and none may append until the
# new epoch is committed: otherwise its record would be behind readers that follow the new epoch.
# Privileges to insert do not allow the lock, so the function has those of its owner.
CREATE_TRIGGER = """
    CREATE FUNCTION audit_wait_for_writers() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '3s' AS $$
    BEGIN
        LOCK TABLE audit_commandrecord, audit_eventrecord IN SHARE ROW EXCLUSIVE MODE;
        RETURN NULL;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'transactions that have written to the log are in progress: %', (
            SELECT string_agg(DISTINCT coalesce('process ' || pid, 'a prepared one'), ', ')
            FROM pg_locks WHERE granted AND mode = 'RowExclusiveLock'
                AND pid IS DISTINCT FROM pg_backend_pid()
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND relation IN ('audit_commandrecord'::regclass, 'audit_eventrecord'::regclass)
        ) USING ERRCODE = 'lock_not_available';
    END $$;
    REVOKE ALL ON FUNCTION audit_wait_for_writers() FROM PUBLIC;
    CREATE TRIGGER audit_no_writers BEFORE INSERT ON audit_epoch
        FOR EACH STATEMENT EXECUTE FUNCTION audit_wait_for_writers()
"""
DROP_TRIGGER = """
    DROP TRIGGER audit_no_writers ON audit_epoch;
    DROP FUNCTION audit_wait_for_writers()
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0028_writers_of_the_log")]

    operations = [migrations.RunSQL(CREATE_TRIGGER, DROP_TRIGGER)]
