from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0008_keys_by_name_and_prefix"),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalpickup",
            name="command_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="pickup",
            name="command_id",
            field=models.UUIDField(null=True),
        ),
    ]
