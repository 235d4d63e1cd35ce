import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="commandrecord",
            index=models.Index(fields=["message_type", "position"], name="audit_command_type"),
        ),
        migrations.AddIndex(
            model_name="commandrecord",
            index=models.Index(
                fields=["status", "position"],
                condition=models.Q(("status", "succeeded"), _negated=True),
                name="audit_command_not_succeeded",
            ),
        ),
        migrations.AddIndex(
            model_name="commandrecord",
            index=models.Index(
                fields=["tenant", "status", "position"],
                condition=models.Q(("status", "succeeded"), _negated=True),
                name="audit_command_tenant_status",
            ),
        ),
        migrations.AddIndex(
            model_name="commandrecord",
            index=models.Index(
                fields=["status", "command_id"],
                condition=models.Q(("attempt__gt", 1)),
                name="audit_command_later_attempt",
            ),
        ),
        migrations.AddIndex(
            model_name="commandrecord",
            index=django.contrib.postgres.indexes.BrinIndex(
                fields=["received_at"], name="audit_command_received", autosummarize=True
            ),
        ),
        migrations.AddIndex(
            model_name="eventrecord",
            index=models.Index(fields=["message_type", "position"], name="audit_event_type"),
        ),
        migrations.AddIndex(
            model_name="eventrecord",
            index=django.contrib.postgres.indexes.BrinIndex(
                fields=["occurred_at"], name="audit_event_occurred", autosummarize=True
            ),
        ),
    ]
