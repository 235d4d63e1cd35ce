import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0005_rate_limits_move_to_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyName",
            fields=[
                (
                    "api_key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="skeletons",
                        serialize=False,
                        to="apikeys.apikey",
                    ),
                ),
                ("as_written", models.UUIDField()),
                ("in_small_letters", models.UUIDField()),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="apikeys.customer",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["customer", "as_written"], name="apikeys_name_as_written"),
                    models.Index(
                        fields=["customer", "in_small_letters"], name="apikeys_name_in_small"
                    ),
                ],
            },
        ),
    ]
