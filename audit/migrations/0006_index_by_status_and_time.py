from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the log is being written: it may be long.
    atomic = False

    dependencies = [("audit", "0005_index_for_search")]

    operations = [
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(
                fields=["status", "received_at", "position"],
                condition=models.Q(("status", "succeeded"), _negated=True),
                name="audit_command_status_time",
            ),
        ),
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(
                fields=["tenant", "status", "received_at", "position"],
                condition=models.Q(("status", "succeeded"), _negated=True),
                name="audit_command_tenant_stat_time",
            ),
        ),
    ]
