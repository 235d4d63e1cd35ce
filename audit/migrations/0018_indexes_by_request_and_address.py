from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the log is being written: it may be long.
    atomic = False

    dependencies = [("audit", "0017_history_by_triggers")]

    operations = [
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(
                fields=["request_id", "tenant", "received_at", "position"],
                condition=~models.Q(request_id=""),
                name="audit_command_request",
            ),
        ),
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(
                fields=["client_address", "tenant", "received_at", "position"],
                condition=models.Q(client_address__isnull=False),
                name="audit_command_address",
            ),
        ),
    ]
