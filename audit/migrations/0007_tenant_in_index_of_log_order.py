from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the log is being written: it may be long.
    atomic = False

    dependencies = [("audit", "0006_index_by_status_and_time")]

    operations = [
        AddIndexConcurrently(
            model_name="eventrecord",
            index=models.Index(
                fields=["epoch", "xid", "position"],
                include=["tenant"],
                name="audit_event_order_tenant",
            ),
        ),
        RemoveIndexConcurrently("eventrecord", "audit_event_log_order"),
    ]
