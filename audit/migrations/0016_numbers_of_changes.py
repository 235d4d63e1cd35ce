from django.db import migrations

# The transaction in which a change has taken the number that the next event will have. Only the
# database reads and writes it, so it is no field of the model.
ADD_COLUMN = "ALTER TABLE audit_streamhead ADD COLUMN paid_in xid8"
DROP_COLUMN = "ALTER TABLE audit_streamhead DROP COLUMN paid_in"
# Triggers of tracked tables run inside the statement that changes the table; no one else can
# create a trigger. An event that takes the number of its change leaves the number as it is.
REPLACE_TRIGGERS = """
    CREATE OR REPLACE TRIGGER audit_number_starts BEFORE INSERT ON audit_streamhead FOR EACH ROW
        WHEN (NEW.number NOT BETWEEN 1 AND 1000000
            OR NEW.paid_in <> pg_current_xact_id()
            OR (coalesce(current_setting('audit.command_id', true), '') = ''
                AND pg_trigger_depth() = 0))
        EXECUTE FUNCTION audit_refuse_number();
    CREATE OR REPLACE TRIGGER audit_number_grows BEFORE UPDATE ON audit_streamhead FOR EACH ROW
        WHEN (NOT (NEW.number - OLD.number BETWEEN 1 AND 1000000
                OR (NEW.number = OLD.number AND NEW.paid_in IS NULL
                    AND OLD.paid_in IS NOT DISTINCT FROM pg_current_xact_id()))
            OR NEW.paid_in <> pg_current_xact_id()
            OR (NEW.subject_type, NEW.subject_id) <> (OLD.subject_type, OLD.subject_id)
            OR (coalesce(current_setting('audit.command_id', true), '') = ''
                AND pg_trigger_depth() = 0))
        EXECUTE FUNCTION audit_refuse_number()
"""
RESTORE_TRIGGERS = """
    CREATE OR REPLACE TRIGGER audit_number_starts BEFORE INSERT ON audit_streamhead FOR EACH ROW
        WHEN (NEW.number NOT BETWEEN 1 AND 1000000
            OR coalesce(current_setting('audit.command_id', true), '') = '')
        EXECUTE FUNCTION audit_refuse_number();
    CREATE OR REPLACE TRIGGER audit_number_grows BEFORE UPDATE ON audit_streamhead FOR EACH ROW
        WHEN (NEW.number - OLD.number NOT BETWEEN 1 AND 1000000
            OR (NEW.subject_type, NEW.subject_id) <> (OLD.subject_type, OLD.subject_id)
            OR coalesce(current_setting('audit.command_id', true), '') = '')
        EXECUTE FUNCTION audit_refuse_number()
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0015_rate_limits")]

    operations = [
        migrations.RunSQL(ADD_COLUMN, DROP_COLUMN),
        migrations.RunSQL(REPLACE_TRIGGERS, RESTORE_TRIGGERS),
    ]
