"""Connections that have ended are seen before anything is sent over them."""

import pytest
from django.core.signals import request_started
from django.db import connection

from benchmarks.protocol import Traffic, traffic_of
from tests.http import call


@pytest.fixture
def another():
    """A second connection of the same role, which may end the first one."""
    other = connection.copy()
    with other.cursor() as cursor:
        yield cursor
    other.close()


@pytest.fixture
def pid():
    """The server's own number for the connection of this test."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_a_request_after_the_server_hung_up_is_answered_over_a_new_connection(
    client, first_key, pid, another
):
    another.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    begin_request()
    answer = call(client, "GET", "/api/v2/whoami", key=first_key)

    assert answer.status_code == 200
    assert connection.connection.info.backend_pid != pid


def test_looking_whether_it_has_ended_is_no_trip(pid):
    traffic = traffic_of(begin_request)

    assert traffic == Traffic(0, 0)
    assert connection.connection.info.backend_pid == pid


def begin_request():
    """What Django does before every request, and its test client keeps it from doing."""
    request_started.send(sender=None, environ={})
    connection.ensure_connection()
