"""The application waits for a database that does not respond only as long as its deadline."""

from contextlib import closing, contextmanager
from functools import partial
from queue import Queue
from threading import Thread

import pytest
from django.core.signals import request_started
from django.db import OperationalError, connection, connections, transaction
from django.db.models.signals import post_save

from apikeys.models import ApiKey
from audit.messages.exceptions import ConnectionLost, OutcomeUnknown
from tests.books import all_but_records, assert_balanced, attempts
from tests.http import call
from tests.probes import Broken
from tests.severed import Cut


@pytest.fixture
def impatient(monkeypatch, wire):
    """The proxied way to the database, with short deadlines."""
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "deadline", 1.0)
    monkeypatch.setitem(options, "connect_timeout", "2")
    return wire


def within_its_deadline(action):
    """Return what the action returns or raises, in a thread with an open connection."""
    results = Queue()
    Thread(target=_act, args=(action, results), daemon=True).start()
    return results.get(timeout=60)


def _act(action, results):
    connection.ensure_connection()
    try:
        results.put(action())
    # The test checks the exception.
    except Exception as error:  # noqa: BLE001
        results.put(error)
    finally:
        connections.close_all()


def test_a_command_whose_commit_gets_no_response_ends_with_its_actual_outcome(
    impatient, creation, client
):
    def create():
        impatient.cut(Cut.SILENT_AFTER_COMMIT)
        return creation()

    outcome = within_its_deadline(create)

    assert ApiKey.objects.get() == outcome.result
    assert attempts(outcome.command_id) == [(1, "succeeded", "")]
    assert call(client, "GET", "/api/v2/whoami", key=outcome.secret).status_code == 200
    assert_balanced()


def test_a_command_whose_commit_the_server_never_receives_fails(impatient, creation):
    before = all_but_records()

    def create():
        impatient.cut(Cut.SILENT_BEFORE_COMMIT)
        return creation()

    failure = within_its_deadline(create)

    assert isinstance(failure, ConnectionLost)
    assert all_but_records() == before
    assert attempts(failure.command_id) == [(1, "failed", "connection_lost")]


def test_a_command_to_a_silent_database_ends_with_an_unknown_outcome(impatient, creation):
    def create():
        impatient.fall_silent()
        return creation()

    failure = within_its_deadline(create)

    assert isinstance(failure, OutcomeUnknown)
    assert failure.command_id


@pytest.mark.parametrize("path", ["/api/v2/api-keys", "/api/v1/api-keys"])
def test_a_read_from_a_silent_database_is_answered_503(impatient, first_key, client, path):
    def read():
        call(client, "GET", path, key=first_key)
        impatient.fall_silent()
        return call(client, "GET", path, key=first_key)

    answer = within_its_deadline(read)

    assert answer.status_code == 503
    assert answer.json()["code"] == "rate_limit_unknown"
    assert answer["Retry-After"]


def test_a_query_of_the_orm_and_a_rollback_are_given_up(impatient):
    def query():
        with transaction.atomic():
            list(ApiKey.objects.all())
            impatient.fall_silent()
            list(ApiKey.objects.all())

    error = within_its_deadline(query)

    assert isinstance(error, OperationalError)
    assert "did not respond within 1 s" in str(error)


def test_rows_that_are_read_one_chunk_after_another_are_given_up(impatient, first_key):
    def read():
        rows = ApiKey.objects.iterator(chunk_size=1)
        impatient.fall_silent()
        return list(rows)

    assert isinstance(within_its_deadline(read), OperationalError)


def test_connecting_to_a_silent_database_is_given_up(impatient):
    def connect():
        connection.close()
        impatient.fall_silent()
        connection.ensure_connection()

    assert isinstance(within_its_deadline(connect), OperationalError)


def test_a_transaction_that_lost_its_connection_does_not_connect_again_to_end(impatient):
    def lose():
        with transaction.atomic():
            end_session()
            list(ApiKey.objects.all())

    with pytest.raises(OperationalError):
        lose()

    assert connection.connection is None


def test_the_start_of_a_request_does_not_connect(impatient):
    end_session()
    impatient.close()

    request_started.send(sender=None, environ={})

    with pytest.raises(OperationalError):
        list(ApiKey.objects.all())


def end_session():
    """End the session of the connection under test, as a restart of the server does."""
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_response_that_cannot_be_read_after_commit_does_not_say_that_nothing_changed(
    impatient, first_key, client
):
    def lose_the_connection(**_):
        transaction.on_commit(end_session)

    with connected(post_save, lose_the_connection, sender=ApiKey):
        answer = call(client, "POST", "/api/v2/api-keys", {"name": "ci"}, key=first_key)

    connection.close()
    assert answer.status_code == 201 or answer.json()["code"] == "outcome_unknown"
    assert attempts(answer["Command-Id"]) == [(1, "succeeded", "")]


def test_a_hook_that_raises_after_commit_is_logged_and_the_others_run(first_key, caplog):
    ran = []

    def fail():
        raise Broken("after the commit")

    with transaction.atomic():
        transaction.on_commit(fail)
        transaction.on_commit(partial(fail))
        transaction.on_commit(lambda: ran.append("inside"))
    transaction.on_commit(fail)

    assert ran == ["inside"]
    assert [str(entry.exc_info[1]) for entry in caplog.records] == ["after the commit"] * 3


@contextmanager
def connected(signal, receiver, **options):
    """Connect a receiver to a signal until the block is left."""
    signal.connect(receiver, **options)
    try:
        yield
    finally:
        signal.disconnect(receiver, **options)
