from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the log is being written: it may be long.
    atomic = False

    dependencies = [("audit", "0003_export_permission")]

    operations = [
        AddIndexConcurrently(
            model_name="commandrecord",
            index=models.Index(fields=["actor_person", "position"], name="audit_command_person"),
        ),
    ]
