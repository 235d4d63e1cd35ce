from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Collate, Lower


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("apikeys", "0007_skeletons_of_existing_names")]

    operations = [
        AddIndexConcurrently(
            model_name="apikey",
            index=models.Index(Collate(Lower("name"), "C"), name="apikeys_by_name"),
        ),
        AddIndexConcurrently(
            model_name="apikey",
            index=models.Index(Collate(Lower("prefix"), "C"), name="apikeys_by_prefix"),
        ),
    ]
