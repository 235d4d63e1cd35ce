from django.db import migrations

# As the statement of a command, like those of tracked tables. The name is one that tests can
# disable to empty the table.
CREATE_TRIGGERS = """
    CREATE FUNCTION approvals_check_counter() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        is_valid boolean := coalesce(current_setting('audit.command_id', true), '') <> '';
    BEGIN
        IF TG_OP = 'INSERT' THEN
            is_valid := is_valid AND NEW.sign_count = (
                SELECT sign_count FROM approvals_passkey WHERE id = NEW.passkey_id);
        ELSIF TG_OP = 'UPDATE' THEN
            is_valid := is_valid AND NEW.passkey_id = OLD.passkey_id
                AND (NEW.sign_count > OLD.sign_count OR greatest(NEW.sign_count, OLD.sign_count) = 0);
        ELSE
            is_valid := false;
        END IF;
        IF is_valid IS NOT TRUE THEN
            RAISE EXCEPTION 'the counter of a passkey only grows, and only by a command'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        NEW.used_at := clock_timestamp();
        RETURN NEW;
    END $$;
    CREATE TRIGGER audit_counter_grows BEFORE INSERT OR UPDATE ON approvals_passkeycounter
        FOR EACH ROW EXECUTE FUNCTION approvals_check_counter();
    CREATE TRIGGER audit_counter_stays BEFORE DELETE OR TRUNCATE ON approvals_passkeycounter
        FOR EACH STATEMENT EXECUTE FUNCTION approvals_check_counter()
"""
DROP_TRIGGERS = """
    DROP TRIGGER audit_counter_stays ON approvals_passkeycounter;
    DROP TRIGGER audit_counter_grows ON approvals_passkeycounter;
    DROP FUNCTION approvals_check_counter()
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0014_signed_votes")]

    operations = [migrations.RunSQL(CREATE_TRIGGERS, DROP_TRIGGERS)]
