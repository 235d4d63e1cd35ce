"""The demo: its people can follow the pages of the documentation."""

import json

import pytest
from django.db import connection

from apikeys.authentication import usage
from config.demo import story
from tests.wiping import wipe


@pytest.fixture(autouse=True)
def clean_database(superuser, django_db_blocker):
    """This test, unlike most here, does fill the database."""
    with django_db_blocker.unblock():
        yield
        usage.flush()
        connection.close()
    wipe(superuser)


def test_dana_can_create_a_webhook_endpoint_and_see_its_deliveries(settings, tmp_path, client):
    settings.DATA_DIR = tmp_path
    story.load()
    key = json.loads((tmp_path / "demo.json").read_text())["api_key"]
    headers = {"Authorization": f"Bearer {key}"}
    url = "/api/v2/webhook-endpoints"
    body = {"destination": "https://hooks.example/in", "event_types": ["apikeys.*"]}

    created = client.post(url, body, "application/json", headers=headers)
    item = f"{url}/{created.json()['id']}"
    tested = client.post(f"{item}/test", {}, "application/json", headers=headers)
    deliveries = client.get(f"{item}/deliveries", headers=headers)

    assert created.status_code == 201
    assert created.json()["secret"].startswith("whsec_")
    assert (tested.status_code, deliveries.status_code) == (200, 200)
