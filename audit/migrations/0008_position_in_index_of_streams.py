from django.db import migrations, models

FIELDS = ("subject_type", "subject_id", "number")
WITH_POSITION = models.UniqueConstraint(
    fields=FIELDS, include=("position",), name="audit_event_number_once"
)
# Another is there before the one that it takes the place of is gone, and commands go on meanwhile.
TAKE_PLACE = """
    CREATE UNIQUE INDEX CONCURRENTLY audit_event_number_position
        ON audit_eventrecord (subject_type, subject_id, number) INCLUDE (position)
"""
DROP_FORMER = """
    ALTER TABLE audit_eventrecord DROP CONSTRAINT audit_event_number_once;
    ALTER INDEX audit_event_number_position RENAME TO audit_event_number_once
"""
MAKE_FORMER = """
    CREATE UNIQUE INDEX CONCURRENTLY audit_event_number_alone
        ON audit_eventrecord (subject_type, subject_id, number)
"""
GIVE_PLACE = """
    DROP INDEX audit_event_number_once;
    ALTER TABLE audit_eventrecord
        ADD CONSTRAINT audit_event_number_once UNIQUE USING INDEX audit_event_number_alone
"""


class Migration(migrations.Migration):
    # Built while the log is being written: it may be long.
    atomic = False

    dependencies = [("audit", "0007_tenant_in_index_of_log_order")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                # On the way back the former one is made before its name is free.
                migrations.RunSQL(TAKE_PLACE, migrations.RunSQL.noop),
                migrations.RunSQL(DROP_FORMER, GIVE_PLACE),
                migrations.RunSQL(migrations.RunSQL.noop, MAKE_FORMER),
            ],
            state_operations=[
                migrations.RemoveConstraint("eventrecord", "audit_event_number_once"),
                migrations.AddConstraint("eventrecord", WITH_POSITION),
            ],
        ),
    ]
