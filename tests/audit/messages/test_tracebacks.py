"""Tracebacks and messages for logs and records: no value that PostgreSQL quotes."""

import pytest
from django.db import Error, connection, transaction

from audit.messages.tracebacks import message_of, traceback_of

pytestmark = pytest.mark.django_db


def error_of(statement, *values):
    with pytest.raises(Error) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
    return raised.value


@pytest.mark.parametrize(
    ("statement", "value", "message"),
    [
        (
            "INSERT INTO auth_group (name) SELECT %s FROM generate_series(1, 2)",
            "Smith",
            'duplicate key value violates unique constraint "auth_group_name_key"',
        ),
        (
            "SELECT %s::int, 'also Smith'",
            "Smith",
            'invalid input syntax for type integer: "[redacted]"',
        ),
        (
            "SELECT %s::date",
            'S"mi\nth',
            'invalid input syntax for type date: "[redacted]"',
        ),
    ],
)
def test_no_value_is_quoted(statement, value, message):
    error = error_of(statement, value)

    found = traceback_of(error)

    assert message_of(error) == message
    assert f": {message}\n" in found
    assert "cursor.execute(statement, values)" in found
    assert value not in found


def test_other_errors_keep_their_message():
    error = ValueError("out of order")

    assert message_of(error) == "out of order"
    assert traceback_of(error) == "ValueError: out of order\n"


def test_an_error_may_follow_itself():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__context__ = second, first

    assert traceback_of(first).endswith("ValueError: first\n")
