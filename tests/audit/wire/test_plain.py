"""Statements one by one through Django's cursors, with the same results."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from audit.bus.dispatch import dispatch
from audit.models.queries import PreparedQuery
from audit.wire import pipeline
from audit.wire.statements import Call, Statement
from benchmarks.protocol import traffic_of
from tests.books import assert_balanced
from tests.conftest import AS_SYSTEM


@pytest.fixture(autouse=True)
def plain(configure):
    configure(WIRE="plain")


def test_every_statement_takes_its_own_round_trip(first_key):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    traffic = traffic_of(lambda: dispatch(EnableApiKey(api_key_id=first_key.id), context=AS_SYSTEM))

    # BEGIN, the row lock, the opening, the UPDATE, the record, COMMIT.
    assert traffic.statements == traffic.round_trips == 6
    assert ApiKey.objects.get(pk=first_key.id).is_enabled
    assert_balanced()


def test_nothing_is_prepared(first_key):
    connection.close()

    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)


def test_django_logs_each_query_once(db):
    with CaptureQueriesContext(connection) as captured:
        pipeline.execute(Statement("SELECT %s::int"), [1])

    assert len(captured) == 1


def test_parameters_are_positional_or_named(db):
    assert PreparedQuery("SELECT %s::int, %s::text").first([1, "a"]) == (1, "a")
    named = PreparedQuery("SELECT %(one)s::int, %(one)s::text")
    assert named.rows({"one": 1}) == [(1, "1")]


def test_statements_after_a_failed_one_are_not_executed(db):
    failing = Call(Statement("SELECT 1 / %s::int"), [0])

    with pytest.raises(DatabaseError, match="division by zero"), transaction.atomic():
        pipeline.send(failing, pipeline.COMMIT)

    assert pipeline.fetch(Statement("SELECT %s::int"), [1]) == (1,)
