"""When a key was last used: exact to a minute, at most one write a minute, and never in the way."""

import http.client
import logging
from datetime import timedelta
from functools import partial
from threading import Event, Thread

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.authentication import usage
from apikeys.authentication.credentials import BadCredential, authenticate
from apikeys.authentication.usage import Notebook
from apikeys.commands import DisableApiKey
from apikeys.models import ApiKeyUsage
from audit.models.records import CommandRecord
from tests.conftest import completed, create_key
from tests.http import call
from tests.servers import free_port, serving
from tests.threads import Crowd, until

KEYS = "/api/v2/api-keys"
HERE, THERE = "192.0.2.1", "2001:db8::9"


def use(key, address=HERE):
    """Use a key, and have it written down."""
    authenticate(key.secret, address=address)
    usage.flush()


def row_of(key):
    return ApiKeyUsage.objects.get(api_key_id=key.id)


def ago(owner, key, seconds):
    """Have the last use of a key lie so far back."""
    owner.execute(
        "UPDATE apikeys_apikeyusage SET last_used_at = now() - make_interval(secs => %s)"
        " WHERE api_key_id = %s",
        [seconds, key.id],
    )
    return row_of(key).last_used_at


def test_a_key_tells_when_and_from_where_it_was_last_used(client, first_key):
    before = call(client, "GET", f"{KEYS}/{first_key.id}", key=first_key).json()
    usage.flush()
    after = call(client, "GET", f"{KEYS}/{first_key.id}", key=first_key).json()

    assert (before["last_used_at"], before["last_used_from"]) == (None, None)
    assert after["last_used_from"] == "127.0.0.1"
    assert row_of(first_key).last_used_at > timezone.now() - timedelta(seconds=30)
    assert after["last_used_at"] == row_of(first_key).last_used_at.isoformat().replace(
        "+00:00", "Z"
    )


def test_keys_are_found_by_when_they_were_last_used(client, first_key, dana, acme, owner):
    old, _ = (create_key(dana, acme, name=name) for name in ("old", "never"))
    use(old)
    ago(owner, old, seconds=3 * 24 * 3600)
    use(first_key)
    day_ago = (timezone.now() - timedelta(days=1)).isoformat().replace("+00:00", "Z")

    def names(query):
        found = call(client, "GET", f"{KEYS}?{query}", key=first_key).json()["results"]
        return {each["name"] for each in found}

    assert names("") == {"first", "old", "never"}
    assert names(f"last_used_after={day_ago}") == {"first"}
    assert names(f"last_used_before={day_ago}") == {"old"}


def test_a_list_asks_for_the_last_use_of_all_keys_at_once(client, first_key, dana, acme):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            call(client, "GET", KEYS, key=first_key)
        return len(captured)

    use(first_key)
    few = queries()
    for number in range(5):
        use(create_key(dana, acme, name=f"key {number}"))

    assert queries() == few


def test_it_is_written_once_a_minute_at_most(first_key, owner):
    use(first_key)
    written_at = ago(owner, first_key, seconds=58)
    use(first_key, THERE)
    assert (row_of(first_key).last_used_at, row_of(first_key).last_used_from) == (written_at, HERE)

    ago(owner, first_key, seconds=61)
    use(first_key, THERE)
    assert row_of(first_key).last_used_at > timezone.now() - timedelta(seconds=30)
    assert row_of(first_key).last_used_from == THERE


def test_within_the_minute_the_row_is_not_even_locked(first_key, owner):
    use(first_key)
    query = "SELECT ctid::text, xmin::text, xmax::text FROM apikeys_apikeyusage"
    before = owner.execute(query).fetchall()

    use(first_key)

    assert owner.execute(query).fetchall() == before


def test_a_late_note_does_not_turn_back_the_clock(first_key, owner):
    use(first_key)
    authenticate(first_key.secret, address=THERE)
    owner.execute("UPDATE apikeys_apikeyusage SET last_used_at = now() + interval '5 minutes'")
    written_at = row_of(first_key).last_used_at

    usage.flush()

    assert row_of(first_key).last_used_at == written_at


def test_all_keys_are_written_by_one_statement(first_key, dana, acme):
    keys = [first_key, *(create_key(dana, acme, name=f"key {number}") for number in range(3))]
    for key in keys:
        authenticate(key.secret, address=HERE)

    with CaptureQueriesContext(connection) as captured:
        usage.flush()

    assert len(captured) == 1
    assert ApiKeyUsage.objects.count() == len(keys)


def test_an_address_that_is_not_known_is_none(first_key):
    use(first_key, None)

    assert row_of(first_key).last_used_from is None


def test_a_key_that_is_turned_away_was_not_used(first_key):
    completed(DisableApiKey(api_key_id=first_key.id))

    with pytest.raises(BadCredential):
        authenticate(first_key.secret, address=HERE)

    usage.flush()
    assert not ApiKeyUsage.objects.exists()


def test_it_is_no_command_and_has_no_history(first_key):
    records = CommandRecord.objects.count()

    use(first_key)

    assert CommandRecord.objects.count() == records
    assert not hasattr(ApiKeyUsage, "history")


def test_another_address_than_before_is_logged(first_key, owner, caplog):
    caplog.set_level(logging.INFO)
    use(first_key)
    ago(owner, first_key, seconds=61)
    use(first_key)
    assert "another address" not in caplog.text

    ago(owner, first_key, seconds=61)
    use(first_key, THERE)

    (line,) = [r.msg for r in caplog.records if "another address" in str(r.msg)]
    assert line["api_key_id"] == str(first_key.id)
    assert (line["last_address"], line["client_address"]) == (HERE, THERE)


def test_what_cannot_be_written_stays_noted_and_fails_nothing(client, first_key, owner):
    call(client, "GET", "/api/v2/whoami", key=first_key)
    owner.execute("REVOKE INSERT ON apikeys_apikeyusage FROM countersign_app")
    usage.flush()
    owner.execute("GRANT INSERT ON apikeys_apikeyusage TO countersign_app")
    assert not ApiKeyUsage.objects.exists()

    usage.flush()

    assert row_of(first_key).last_used_from == "127.0.0.1"


def test_a_key_that_is_gone_does_not_keep_the_others_from_being_written(first_key):
    usage.note(type(first_key.id)(int=7), HERE)

    use(first_key)

    assert ApiKeyUsage.objects.count() == 1


def test_a_second_flush_waits_for_the_first(first_key, owner):
    notebook = Notebook()
    notebook.note(first_key.id, HERE)
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    with Crowd(2) as crowd:
        with owner.transaction():
            owner.execute("LOCK TABLE apikeys_apikeyusage IN SHARE MODE")
            first = crowd.start(notebook.flush)
            until(lambda: owner.execute(blocked).fetchone()[0] == 1)
            second = crowd.start(notebook.flush)
            with pytest.raises(TimeoutError):
                second.result(0.3)
            # Not by the database: it has not written the same notes once more.
            assert owner.execute(blocked).fetchone()[0] == 1
        assert [first.result(60), second.result(60)] == [None, None]

    assert row_of(first_key).last_used_from == HERE


def test_a_second_first_use_waits_and_starts_no_second_writer(first_key, monkeypatch):
    begins, may_go_on, writers = Event(), Event(), []

    class Paused(Thread):
        def __init__(self, **options):
            begins.set()
            assert may_go_on.wait(60)
            super().__init__(**options)

        def start(self):
            writers.append(self)

    monkeypatch.setattr(usage, "Thread", Paused)
    notebook = Notebook()
    with Crowd(2) as crowd:
        first = crowd.start(partial(notebook.note, first_key.id, HERE))
        assert begins.wait(60)
        second = crowd.start(partial(notebook.note, first_key.id, HERE))
        with pytest.raises(TimeoutError):
            second.result(0.3)
        may_go_on.set()
        assert [first.result(60), second.result(60)] == [None, None]

    assert len(writers) == 1
    notebook.flush()


def test_the_notebook_is_bounded_and_says_so_once(first_key, dana, acme, monkeypatch, caplog):
    monkeypatch.setattr(usage, "MOST_NOTES", 2)
    keys = [first_key, *(create_key(dana, acme, name=f"key {number}") for number in range(3))]
    notebook = Notebook()

    for key in keys * 2:
        notebook.note(key.id, HERE)
    notebook.flush()

    assert ApiKeyUsage.objects.count() == 2
    assert caplog.text.count("too many keys in use") == 1


def request(port, key):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", "/api/v2/whoami", headers=key.headers)
    status = client.getresponse().status
    client.close()
    return status


@pytest.mark.edge
def test_a_server_writes_every_few_seconds(first_key):
    port = free_port()

    with serving(port, USAGE_FLUSH_SECONDS="1"):
        assert request(port, first_key) == 200
        until(ApiKeyUsage.objects.exists)


@pytest.mark.edge
def test_a_server_that_is_told_to_end_writes_what_is_noted(first_key):
    port = free_port()

    with serving(port, USAGE_FLUSH_SECONDS="3600") as server:
        assert request(port, first_key) == 200
        assert not ApiKeyUsage.objects.exists()
        server.terminate()
        server.wait(20)

    assert row_of(first_key).last_used_from == "127.0.0.1"
