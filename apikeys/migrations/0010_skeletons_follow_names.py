from hashlib import blake2b
from typing import Any
from uuid import UUID

from django.db import migrations

from audit.domain import skeletons

BATCH = 2000

# Whoever writes a name, also outside of commands, makes its skeletons unknown; a command then
# stores the new ones. Both functions run as their owner: the serving role deletes no row.
FOLLOW = """
    CREATE FUNCTION apikeys_forget_skeletons() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DECLARE
        unknown CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    BEGIN
        IF TG_OP = 'UPDATE' AND (NEW.name, NEW.customer_id) IS NOT DISTINCT FROM
            (OLD.name, OLD.customer_id)
        THEN
            RETURN NULL;
        END IF;
        INSERT INTO apikeys_keyname (api_key_id, customer_id, as_written, in_small_letters)
        VALUES (NEW.id, NEW.customer_id, unknown, unknown)
        ON CONFLICT (api_key_id) DO UPDATE SET customer_id = NEW.customer_id,
            as_written = unknown, in_small_letters = unknown;
        RETURN NULL;
    END $$;

    CREATE FUNCTION apikeys_replace_skeletons() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path FROM CURRENT AS $$
    BEGIN
        IF pg_trigger_depth() = 1 THEN
            DELETE FROM apikeys_keyname WHERE api_key_id = NEW.api_key_id;
        END IF;
        RETURN NEW;
    END $$;

    CREATE TRIGGER apikeys_forget_skeletons AFTER INSERT OR UPDATE OF name, customer_id
        ON apikeys_apikey FOR EACH ROW EXECUTE FUNCTION apikeys_forget_skeletons();
    CREATE TRIGGER apikeys_replace_skeletons BEFORE INSERT ON apikeys_keyname
        FOR EACH ROW EXECUTE FUNCTION apikeys_replace_skeletons();
"""
LEAVE_ALONE = """
    DROP TRIGGER apikeys_replace_skeletons ON apikeys_keyname;
    DROP TRIGGER apikeys_forget_skeletons ON apikeys_apikey;
    DROP FUNCTION apikeys_replace_skeletons();
    DROP FUNCTION apikeys_forget_skeletons();
"""


def correct(apps: Any, schema_editor: Any) -> None:
    """Store the skeletons of names that were changed outside of commands, in batches."""
    api_key, key_name = (apps.get_model("apikeys", name) for name in ("ApiKey", "KeyName"))
    using = schema_editor.connection.alias
    keys = api_key.objects.using(using).order_by("pk")
    batch = list(keys.values_list("pk", "customer_id", "name")[:BATCH])
    while batch:
        stored = key_name.objects.using(using).in_bulk([pk for pk, *_ in batch])
        for pk, customer_id, name in batch:
            written, small = digests(name)
            wanted = {"customer_id": customer_id, "as_written": written, "in_small_letters": small}
            row = stored.get(pk)
            if row is None or any(getattr(row, field) != wanted[field] for field in wanted):
                key_name.objects.using(using).update_or_create(api_key_id=pk, defaults=wanted)
        following = keys.filter(pk__gt=batch[-1][0])
        batch = list(following.values_list("pk", "customer_id", "name")[:BATCH])


def digests(name: str) -> list[UUID]:
    return [UUID(bytes=blake2b(each.encode(), digest_size=16).digest()) for each in skeletons(name)]


class Migration(migrations.Migration):
    # So that no transaction lasts as long as the whole of it.
    atomic = False

    dependencies = [("apikeys", "0009_commands_of_pick_ups")]

    operations = [
        migrations.RunSQL(FOLLOW, LEAVE_ALONE),
        migrations.RunPython(correct, migrations.RunPython.noop),
    ]
