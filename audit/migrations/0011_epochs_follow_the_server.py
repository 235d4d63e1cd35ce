from django.db import migrations, models

# Existing rows get the oldest transaction of now: those before it have ended, as the column claims.
ADD_OLDEST = """
    ALTER TABLE audit_commandrecord ADD COLUMN oldest_xid xid8 NOT NULL
        DEFAULT pg_snapshot_xmin(pg_current_snapshot())
"""
DROP_OLDEST = "ALTER TABLE audit_commandrecord DROP COLUMN oldest_xid"
NAME_SERVER = """
    ALTER TABLE audit_epoch DISABLE TRIGGER USER;
    UPDATE audit_epoch SET server = (
        SELECT concat_ws('/', system_identifier,
            left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
            (SELECT oid FROM pg_database WHERE datname = current_database()))
        FROM pg_control_system()
    ) WHERE number = (SELECT max(number) FROM audit_epoch);
    ALTER TABLE audit_epoch ENABLE TRIGGER USER
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0010_indexes_that_tell_more")]

    operations = [
        migrations.AddField("epoch", "server", models.TextField(blank=True, default="")),
        migrations.AddField("epoch", "fork_xid", models.BigIntegerField(null=True)),
        migrations.RunSQL(NAME_SERVER, migrations.RunSQL.noop),
        # Only the database writes and reads it, so it is no field of the model.
        migrations.RunSQL(ADD_OLDEST, DROP_OLDEST),
    ]
