from django.db import migrations, models


class Migration(migrations.Migration):
    """Takes over the model of an existing table; the database does not change."""

    dependencies = [
        ("audit", "0014_one_final_record_for_each_cause"),
        ("apikeys", "0005_rate_limits_move_to_audit"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
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
