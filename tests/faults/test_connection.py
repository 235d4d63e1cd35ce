"""What is answered when the connection to the database is lost."""

import tempfile
from functools import partial
from pathlib import Path

import pytest
from django.db import connection, connections

from apikeys.commands import CreateApiKey, DisableApiKey
from apikeys.models import ApiKey
from audit.actors import actor_for_user
from audit.bus import dispatch
from audit.context import Context
from audit.exceptions import ConnectionLost, OutcomeUnknown
from audit.models import CommandRecord
from audit.outcomes import Completed
from tests.books import all_but_records, assert_balanced, attempts
from tests.probes import deed, to
from tests.severed import Cut, Wire, until_blocked
from tests.test_story import call
from tests.threads import Crowd


@pytest.fixture
def wire(monkeypatch, clean_database):
    """The way to the database, for this test through something that can be cut."""
    database = connections["default"].settings_dict
    # Not pytest's own directory: the path of a socket may be no longer than 103 bytes.
    with tempfile.TemporaryDirectory() as directory:
        wire = Wire(Path(directory), host=database["HOST"], port=database["PORT"])
        connection.close()
        monkeypatch.setitem(database, "HOST", str(wire.directory))
        monkeypatch.setitem(database, "PORT", wire.port)
        yield wire
        connection.close()
        wire.close()


@pytest.fixture
def creation(acme, dana):
    """The creation of a key, not yet sent."""
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
    return partial(dispatch, command, context=Context(actor=actor_for_user(dana)))


def assert_one_key_and_its_secret_works(outcome, client) -> None:
    """What was answered is so."""
    assert isinstance(outcome, Completed)
    assert ApiKey.objects.get() == outcome.result
    assert attempts(outcome.command_id) == [(1, "succeeded", "")]
    assert call(client, "GET", "/api/v2/whoami", key=outcome.secret).status_code == 200
    assert_balanced()


def test_a_command_whose_commit_was_done_is_answered_although_the_answer_was_lost(
    wire, creation, client
):
    wire.cut(Cut.AFTER_COMMIT)

    outcome = creation()

    assert_one_key_and_its_secret_works(outcome, client)


def test_a_command_whose_commit_is_still_being_done_is_waited_for(wire, owner, creation, client):
    owner.execute("""
        CREATE FUNCTION tests_wait() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$
    """)
    owner.execute("""
        CREATE CONSTRAINT TRIGGER tests_wait AFTER INSERT ON apikeys_apikey
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tests_wait()
    """)
    wire.cut(Cut.DURING_COMMIT)
    try:
        with Crowd(1) as crowd:
            owner.execute("SELECT pg_advisory_lock(1)")
            answer = crowd.start(creation)
            until_blocked(owner, how_many=2)
            owner.execute("SELECT pg_advisory_unlock(1)")

            outcome = answer.result(30)
    finally:
        owner.execute("DROP FUNCTION tests_wait CASCADE")

    assert_one_key_and_its_secret_works(outcome, client)


def test_a_command_whose_commit_was_never_received_has_failed(wire, creation):
    before = all_but_records()
    wire.cut(Cut.BEFORE_COMMIT)

    with pytest.raises(ConnectionLost) as failure:
        creation()

    assert all_but_records() == before
    assert attempts(failure.value.command_id) == [(1, "failed", "connection_lost")]


@pytest.mark.parametrize(
    ("where", "truth"),
    [(Cut.AFTER_COMMIT, [(1, "succeeded", "")]), (Cut.BEFORE_COMMIT, [])],
)
def test_nobody_is_told_what_cannot_be_known(wire, creation, monkeypatch, where, truth):
    wire.cut(where, stays_down=True)

    with pytest.raises(OutcomeUnknown) as failure:
        creation()

    monkeypatch.undo()
    assert failure.value.command_id
    assert attempts(failure.value.command_id) == truth


def test_a_command_that_is_sent_while_the_database_is_down_has_failed(wire, first_key):
    connection.close()
    wire.close()

    with pytest.raises(ConnectionLost) as failure:
        dispatch(DisableApiKey(api_key_id=first_key.id))

    assert failure.value.command_id


@deed
def lose_the_connection(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_command_that_loses_the_connection_on_its_way_has_failed(first_key):
    before = all_but_records()

    with pytest.raises(ConnectionLost) as failure:
        dispatch(to(lose_the_connection, first_key.id))

    assert all_but_records() == before
    assert attempts(failure.value.command_id) == [(1, "failed", "connection_lost")]


def test_a_repeat_after_a_lost_answer_is_told_that_it_worked(wire, acme, dana):
    def create():
        command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
        context = Context(actor=actor_for_user(dana), idempotency_key="once")
        return dispatch(command, context=context)

    wire.cut(Cut.AFTER_COMMIT)

    first, second = create(), create()

    assert second.is_repeat
    assert second.command_id == first.command_id
    assert second.result == first.result
    assert (bool(first.secret), second.secret) == (True, None)
    assert ApiKey.objects.count() == 1
    assert CommandRecord.objects.filter(message_type="apikeys.create").count() == 1
