from hashlib import blake2b
from typing import Any
from uuid import UUID

from django.db import migrations

from audit.domain import skeletons

BATCH = 2000


def fill(apps: Any, schema_editor: Any) -> None:
    """Add the rows of existing keys in batches, each in a transaction of its own."""
    api_key, key_name = (apps.get_model("apikeys", name) for name in ("ApiKey", "KeyName"))
    using = schema_editor.connection.alias
    keys = api_key.objects.using(using).order_by("pk")
    batch = list(keys[:BATCH])
    while batch:
        rows = [row_of(each, key_name=key_name) for each in batch]
        key_name.objects.using(using).bulk_create(rows, ignore_conflicts=True)
        batch = list(keys.filter(pk__gt=batch[-1].pk)[:BATCH])


def row_of(api_key: Any, *, key_name: Any) -> Any:
    written, small = (
        UUID(bytes=blake2b(each.encode(), digest_size=16).digest())
        for each in skeletons(api_key.name)
    )
    return key_name(
        api_key=api_key,
        customer_id=api_key.customer_id,
        as_written=written,
        in_small_letters=small,
    )


class Migration(migrations.Migration):
    # So that no transaction lasts as long as the whole of it.
    atomic = False

    dependencies = [
        ("apikeys", "0006_names_by_what_they_look_like"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
