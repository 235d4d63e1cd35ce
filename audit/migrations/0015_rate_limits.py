from django.apps import apps
from django.db import migrations, models

# The example application had the limits first, and hands its table over. Any other project gets the
# same table here.
_IS_THERE = apps.is_installed("apikeys")
CREATE = """
    CREATE UNLOGGED TABLE apikeys_allowance (
        id text PRIMARY KEY,
        restored_at timestamptz NOT NULL
    ) WITH (fillfactor = 50)
"""
DROP = "DROP TABLE apikeys_allowance"


class Migration(migrations.Migration):
    """Takes over the model of an existing table; the database does not change."""

    dependencies = [
        ("audit", "0014_one_final_record_for_each_cause"),
        *([("apikeys", "0005_rate_limits_move_to_audit")] if _IS_THERE else []),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[] if _IS_THERE else [migrations.RunSQL(CREATE, DROP)],
            state_operations=[
                migrations.CreateModel(
                    name="Allowance",
                    fields=[
                        ("id", models.TextField(primary_key=True, serialize=False)),
                        ("restored_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "apikeys_allowance",
                        "default_permissions": (),
                    },
                ),
            ],
        ),
    ]
