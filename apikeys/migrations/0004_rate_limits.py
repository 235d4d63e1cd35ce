from django.db import migrations, models

# Not logged, for a crash may empty it, and each request that a key sends is an update here. Half of
# each page is left to the next versions of its rows, so that an update touches no index. Written by
# hand, for Django would add a second index, with which text can be searched by its beginning.
CREATE = """
    CREATE UNLOGGED TABLE apikeys_allowance (
        id text PRIMARY KEY,
        restored_at timestamptz NOT NULL
    ) WITH (fillfactor = 50)
"""
DROP = "DROP TABLE apikeys_allowance"


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0003_last_used"),
    ]

    operations = [
        migrations.RunSQL(
            CREATE,
            DROP,
            state_operations=[
                migrations.CreateModel(
                    name="Allowance",
                    fields=[
                        ("id", models.TextField(primary_key=True, serialize=False)),
                        ("restored_at", models.DateTimeField()),
                    ],
                    options={
                        "default_permissions": (),
                    },
                ),
            ],
        ),
    ]
