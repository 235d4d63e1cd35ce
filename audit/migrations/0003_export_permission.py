from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_indexes_for_lists")]

    operations = [
        migrations.AlterModelOptions(
            name="commandrecord",
            options={
                "default_permissions": ("view",),
                "permissions": (
                    ("view_every_tenant", "Can see what belongs to any customer"),
                    ("export_commandrecord", "Can export the log"),
                ),
                "verbose_name": "command",
            },
        ),
    ]
