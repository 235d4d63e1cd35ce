"""The time to open a long history, and to adopt a table that has none.

    python -m benchmarks.history [versions] [rows]

The tests pin what these times come from: the versions that a page reads, and the statements of an
adoption, however many there are.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.db import connections, transaction
from django.test import override_settings

from benchmarks import scratch

_PAGE = 50
_PLAIN_STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
_VERSIONS = """
INSERT INTO apikeys_historicalapikey SELECT (jsonb_populate_record(version, jsonb_build_object(
    'history_id', history_id + n, 'history_type', '~', 'is_enabled', n %% 2 = 0,
    'history_date', history_date + n * interval '1 minute'))).*
FROM apikeys_historicalapikey AS version, generate_series(1, %s) AS n
"""
_ROWS = """
INSERT INTO apikeys_customer (id, name, created_at)
SELECT gen_random_uuid(), 'Customer ' || n, now() FROM generate_series(1, %s) AS n
"""


def main(versions: int = 50_000, rows: int = 20_000) -> None:
    """Measure and print."""
    with scratch.database(), override_settings(STORAGES=_PLAIN_STORAGES):
        # Its models can be imported once Django is set up.
        from django.contrib.auth.models import User  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        from apikeys.commands import AddMember, CreateApiKey, CreateCustomer  # noqa: PLC0415
        from apikeys.models import Customer  # noqa: PLC0415
        from audit.bus.dispatch import dispatch  # noqa: PLC0415
        from audit.tracking.adoption import adopt  # noqa: PLC0415

        logging.disable()
        auditor = User.objects.create_superuser("auditor")
        dispatch(CreateCustomer(name="Acme"))
        customer = Customer.objects.get()
        dispatch(AddMember(customer_id=customer.pk, user_id=auditor.pk))
        create = CreateApiKey(customer_id=customer.pk, owner_id=auditor.pk, name="changed often")
        dispatch(create)
        _insert(_VERSIONS, versions, table="apikeys_historicalapikey")
        _insert(_ROWS, rows, table="apikeys_customer")

        client = Client(headers={"Host": "localhost"})
        client.force_login(auditor)
        history = f"/admin/apikeys/apikey/{create.api_key_id}/history/"
        client.get(history)
        for page in (1, versions // _PAGE // 2, versions // _PAGE):
            with _timed(f"page {page} of {versions} versions"):
                client.get(history, {"p": page})
        with _timed(f"adoption of {rows} rows"):
            adopt(Customer, reason="A benchmark", using="owner")


def _insert(statement: str, number: int, *, table: str) -> None:
    """Insert rows without the triggers of their table."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement, [number])
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute(f"ANALYZE {table}")


@contextmanager
def _timed(name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    sys.stdout.write(f"{name:40}{(time.perf_counter() - begun) * 1000:9.0f} ms\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
