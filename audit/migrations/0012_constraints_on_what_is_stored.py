from django.db import migrations

from audit.models.constraints import added

IDS = "message_type || subject_type || subject_id || tenant"
IDS_OF_COMMAND = f"{IDS} || actor_kind || actor_id || actor_person || channel || result_type || result_id || error_code"
ONE_LINE = "(({0}) !~ '[[:cntrl:]]' AND length({0}) <= 4000)"
TIME = "({0} >= '2000-01-01' AND {0} < '9999-01-01')"
AMOUNTS = "attempt >= 1 AND epoch >= 1 AND schema_version >= 1"
DATA = "(jsonb_typeof(data) = 'object' AND pg_column_size(data) <= 16777216)"
LOCK = "LOCK TABLE audit_commandrecord, audit_eventrecord, audit_streamhead, audit_epoch"
OF_COMMAND = {
    "audit_command_time": TIME.format("received_at"),
    "audit_command_amounts": f"duration_us BETWEEN 0 AND 10000000000000 AND {AMOUNTS}",
    "audit_command_json": f"{DATA} AND (decision IS NULL OR jsonb_typeof(decision) = 'object')",
    "audit_command_ids": ONE_LINE.format(IDS_OF_COMMAND),
}
OF_EVENT = {
    "audit_event_time": TIME.format("occurred_at"),
    "audit_event_amounts": f"number >= 1 AND {AMOUNTS}",
    "audit_event_json": DATA,
    "audit_event_ids": ONE_LINE.format(IDS),
}

# Conditions of triggers, unlike functions, cost a command nothing.
CREATE_TRIGGERS = """
    CREATE FUNCTION audit_refuse_number() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '%: numbers only move forward, and only by a command', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END $$;

    CREATE FUNCTION audit_check_event_number() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.number > coalesce((SELECT number FROM audit_streamhead
            WHERE subject_type = NEW.subject_type AND subject_id = NEW.subject_id), 0)
        THEN
            RAISE EXCEPTION 'event % of % is beyond the end of its stream', NEW.number, NEW.subject_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;

    CREATE FUNCTION audit_check_epoch_number() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- Either the next number, or one that follows the clock: seconds since 2026.
        IF (SELECT NEW.number NOT BETWEEN max(number) + 1 AND greatest(max(number) + 1,
            extract(epoch FROM clock_timestamp()) - 1767225600 + 86400) FROM audit_epoch)
        THEN
            RAISE EXCEPTION 'epoch % is not the next one', NEW.number
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;

    CREATE TRIGGER audit_number_starts BEFORE INSERT ON audit_streamhead FOR EACH ROW
        WHEN (NEW.number NOT BETWEEN 1 AND 1000000
            OR coalesce(current_setting('audit.command_id', true), '') = '')
        EXECUTE FUNCTION audit_refuse_number();
    CREATE TRIGGER audit_number_grows BEFORE UPDATE ON audit_streamhead FOR EACH ROW
        WHEN (NEW.number - OLD.number NOT BETWEEN 1 AND 1000000
            OR (NEW.subject_type, NEW.subject_id) <> (OLD.subject_type, OLD.subject_id)
            OR coalesce(current_setting('audit.command_id', true), '') = '')
        EXECUTE FUNCTION audit_refuse_number();
    CREATE TRIGGER audit_number_stays BEFORE DELETE OR TRUNCATE ON audit_streamhead
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_number();
    CREATE TRIGGER audit_number_exists BEFORE INSERT ON audit_eventrecord FOR EACH ROW
        EXECUTE FUNCTION audit_check_event_number();
    CREATE TRIGGER audit_number_is_next BEFORE INSERT ON audit_epoch FOR EACH ROW
        EXECUTE FUNCTION audit_check_epoch_number();
"""
DROP_TRIGGERS = """
    DROP TRIGGER audit_number_is_next ON audit_epoch;
    DROP TRIGGER audit_number_exists ON audit_eventrecord;
    DROP TRIGGER audit_number_stays ON audit_streamhead;
    DROP TRIGGER audit_number_grows ON audit_streamhead;
    DROP TRIGGER audit_number_starts ON audit_streamhead;
    DROP FUNCTION audit_check_epoch_number();
    DROP FUNCTION audit_check_event_number();
    DROP FUNCTION audit_refuse_number();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0011_epochs_follow_the_server")]

    operations = [
        # All at once, or not at all: `migrate` repeats this until it gets the locks.
        migrations.RunSQL(LOCK, migrations.RunSQL.noop),
        *added("commandrecord", OF_COMMAND),
        *added("eventrecord", OF_EVENT),
        migrations.RunSQL(CREATE_TRIGGERS, DROP_TRIGGERS),
    ]
