import django.db.models.deletion
from django.db import migrations, models

# Room in each page for the next version of its rows: an update then touches no index.
LEAVE_ROOM = "ALTER TABLE apikeys_apikeyusage SET (fillfactor = 70)"
FILL_UP = "ALTER TABLE apikeys_apikeyusage RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0002_scopes_rotation_and_pick_up"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKeyUsage",
            fields=[
                (
                    "api_key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="usage",
                        serialize=False,
                        to="apikeys.apikey",
                    ),
                ),
                ("last_used_at", models.DateTimeField()),
                ("last_used_from", models.GenericIPAddressField(null=True)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.RunSQL(LEAVE_ROOM, FILL_UP),
    ]
