"""A server that refuses writes, such as a standby, is answered like a lost connection."""

from contextlib import contextmanager

import pytest
from django.db import connection

from apikeys.commands import DisableApiKey
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import ConnectionLost
from tests.books import all_but_records, attempts
from tests.conftest import AS_SYSTEM, PASSWORD
from tests.http import call


@pytest.fixture
def read_only(monkeypatch):
    """A function that makes every new session read-only, as on a standby."""
    options = connection.settings_dict["OPTIONS"]

    @contextmanager
    def switched():
        with monkeypatch.context() as patch:
            setting = " -c default_transaction_read_only=on"
            patch.setitem(options, "options", options["options"] + setting)
            connection.close()
            yield
        connection.close()

    return switched


def test_a_command_has_changed_nothing_and_its_record_is_written_once_that_is_possible(first_key):
    before = all_but_records()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")

    with pytest.raises(ConnectionLost) as failure:
        dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    assert all_but_records() == before
    assert attempts(failure.value.command_id) == [(1, "failed", "connection_lost")]


def test_a_command_that_cannot_be_recorded_either_is_known_to_have_changed_nothing(
    first_key, read_only
):
    before = all_but_records()

    with read_only(), pytest.raises(ConnectionLost) as failure:
        dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    assert all_but_records() == before
    assert failure.value.command_id
    assert attempts(failure.value.command_id) == []


def test_a_write_over_http_is_answered_503(first_key, settings, client, read_only):
    settings.RATE_LIMIT_PER_KEY = settings.RATE_LIMIT_FAILED_ATTEMPTS = None

    with read_only():
        read = call(client, "GET", "/api/v2/whoami", key=first_key)
        path = f"/api/v2/api-keys/{first_key.id}/disable"
        written = call(client, "POST", path, {}, key=first_key)

    assert read.status_code == 200
    assert written.status_code == 503
    assert written.json()["code"] == "connection_lost"
    assert written["Retry-After"]


def test_a_bad_request_over_http_is_answered_503(first_key, settings, client, read_only):
    settings.RATE_LIMIT_PER_KEY = settings.RATE_LIMIT_FAILED_ATTEMPTS = None

    with read_only():
        answer = call(client, "POST", "/api/v2/api-keys", {"name": 1}, key=first_key)

    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"


def test_signing_in_is_answered_with_the_page_for_outages(ann, client, read_only):
    client.raise_request_exception = False

    with read_only():
        answer = client.post("/admin/login/", {"username": "ann", "password": PASSWORD})

    assert answer.status_code == 503
    assert "The database is not available" in answer.content.decode()
    assert answer["Retry-After"]
