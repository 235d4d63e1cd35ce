from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

# An index answers without the rows where VACUUM has been. As it is, it comes when a fifth is new.
VACUUM_MORE_OFTEN = """
    ALTER TABLE audit_commandrecord SET (autovacuum_vacuum_insert_scale_factor = 0.01);
    ALTER TABLE audit_eventrecord SET (autovacuum_vacuum_insert_scale_factor = 0.01)
"""
VACUUM_AS_USUAL = """
    ALTER TABLE audit_commandrecord RESET (autovacuum_vacuum_insert_scale_factor);
    ALTER TABLE audit_eventrecord RESET (autovacuum_vacuum_insert_scale_factor)
"""


class Migration(migrations.Migration):
    # Built while the log is being written: it may be long.
    atomic = False

    dependencies = [("audit", "0009_statistics_on_kinds")]

    # Another is there before the one that it takes the place of is gone.
    operations = [
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(
                fields=["subject_type", "subject_id", "received_at", "position"],
                include=["tenant"],
                name="audit_command_subject_time",
            ),
        ),
        RemoveIndexConcurrently("commandrecord", "audit_command_subject"),
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(
                fields=["actor_kind", "actor_id", "tenant", "status", "received_at", "position"],
                include=["message_type", "channel"],
                name="audit_command_actor_kind_time",
            ),
        ),
        RemoveIndexConcurrently("commandrecord", "audit_command_actor_time"),
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(
                fields=["tenant", "position"],
                include=["attempt", "channel"],
                name="audit_command_tenant_channel",
            ),
        ),
        RemoveIndexConcurrently("commandrecord", "audit_command_tenant"),
        AddIndexConcurrently(
            model_name="eventrecord",
            index=models.Index(
                fields=["tenant", "epoch", "xid", "position"],
                name="audit_event_tenant_order",
            ),
        ),
        AddIndexConcurrently(
            model_name="eventrecord",
            index=models.Index(
                fields=["epoch", "xid", "position"],
                name="audit_event_log_order",
            ),
        ),
        RemoveIndexConcurrently("eventrecord", "audit_event_order_tenant"),
        migrations.RunSQL(VACUUM_MORE_OFTEN, VACUUM_AS_USUAL),
    ]
