from django.db import migrations


class Migration(migrations.Migration):
    """Leaves the table in place: audit's model is stored in it from now on."""

    dependencies = [
        ("apikeys", "0004_rate_limits"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel(name="Allowance"),
            ],
        ),
    ]
