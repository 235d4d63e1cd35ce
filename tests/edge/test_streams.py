"""Responses that are sent while they are made: whole, or visibly incomplete and on record."""

import re
from http.client import HTTPConnection
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import connection as database

from audit.models.records import CommandRecord
from tests.conftest import PASSWORD
from tests.edge.client import connect, exchange, head, read
from tests.threads import until

pytestmark = pytest.mark.edge

_COPIES = """
    INSERT INTO audit_commandrecord
    SELECT copy.*
    FROM audit_commandrecord AS old,
        generate_series(1, 8000) AS number,
        jsonb_populate_record(old, jsonb_build_object(
            'position', nextval('audit_position'), 'command_id', gen_random_uuid(),
            'reason', repeat(md5(number::text), 60))) AS copy
    WHERE old.position = (SELECT min(position) FROM audit_commandrecord WHERE tenant <> '')
"""


def test_a_stream_that_breaks_off_is_visibly_incomplete(server):
    received = exchange(server.port, head(path=b"/edge/broken/20"))

    answer = received.only()
    assert received.is_closed
    assert answer.status == 200
    assert not answer.is_complete
    assert "broken on purpose" in server.log()


def test_a_stream_that_breaks_off_at_once_is_no_empty_success(server):
    received = exchange(server.port, head(path=b"/edge/broken/0"))

    assert received.is_closed
    assert [answer.status for answer in received.responses()] == [500]
    assert received.only().body


def test_a_stream_is_made_and_closed_in_one_thread(server):
    answer = exchange(server.port, head(path=b"/edge/threads")).only()

    assert answer.is_complete
    until(lambda: '{"one_thread": ' in server.log())
    assert '{"one_thread": false}' not in server.log()


def test_more_streams_than_there_is_room_for_are_refused_with_a_time_to_retry(serve):
    server = serve(WEB_WORKERS="1", WEB_STREAMS="1")
    with connect(server.port, receive_buffer=4096) as reader:
        reader.sendall(head(path=b"/edge/stream/3200"))
        reader.recv(100)

        answer = exchange(server.port, head(path=b"/edge/stream/3200")).only()

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


class Export:
    """An export that has begun: its connection, and its id in the log."""

    def __init__(self, server, iris):
        cookies, token = sign_in(server.port, iris)
        form = {"csrfmiddlewaretoken": token, "format": "jsonl", "reason": "test"}
        body = urlencode(form).encode()
        lines = f"Cookie: {cookies}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        lines += f"Content-Length: {len(body)}\r\n"
        self.connection = connect(server.port, receive_buffer=8192)
        self.connection.sendall(head(b"POST", b"/audit/export", extra=lines.encode()) + body)
        self.received = b""
        while b"\r\n\r\n" not in self.received:
            self.received += self.connection.recv(4096)
        assert self.received.startswith(b"HTTP/1.1 200"), self.received

    def rest(self):
        received = read(self.connection, seconds=20)
        return received._replace(raw=self.received + received.raw)

    def ended(self):
        """Return the data of the command that ended it, once there is one."""
        ends = CommandRecord.objects.filter(message_type="audit.end_export")
        until(ends.exists)
        (end,) = ends
        assert end.status == "succeeded"
        return end.data


@pytest.fixture
def export(server, iris, first_key, owner):
    """An export of some 16 MB that has begun."""
    owner.execute(_COPIES)
    begun = Export(server, iris)
    yield begun
    begun.connection.close()


def test_an_export_that_is_read_is_whole_and_on_record(export):
    answer = export.rest().only()

    assert answer.is_complete
    assert export.ended()["is_complete"]
    assert export.ended()["rows"] == answer.body.count(b"\n")


def test_an_export_whose_database_connection_ends_is_visibly_incomplete_and_on_record(export):
    end_connections_of_servers()

    received = export.rest()

    assert received.is_closed
    assert not received.only().is_complete
    assert not export.ended()["is_complete"]


def test_an_export_whose_reader_disconnects_is_recorded_as_incomplete(export):
    export.connection.recv(200_000)

    export.connection.close()

    assert not export.ended()["is_complete"]


def test_an_export_that_nobody_reads_is_ended_and_recorded_as_incomplete(export):
    assert not export.ended()["is_complete"]
    assert not export.rest().only().is_complete


def end_connections_of_servers():
    mine = database.connection.info.backend_pid if database.connection else 0
    settings = database.settings_dict
    with psycopg.connect(
        dbname=settings["NAME"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        host=settings["HOST"],
        port=settings["PORT"],
        autocommit=True,
    ) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user "
            "AND datname = current_database() AND application_name LIKE 'countersign%%' "
            "AND pid <> %s",
            [mine],
        )


def sign_in(port, user):
    """Sign in as a browser does; return the cookies and a token for forms."""
    page, cookies = _fetch(port, "GET", "/admin/login/")
    form = {
        "csrfmiddlewaretoken": _token(page),
        "username": user.username,
        "password": PASSWORD,
        "next": "/audit/export",
    }
    _, session = _fetch(port, "POST", "/admin/login/", cookies=cookies, form=form)
    cookies |= session
    page, more = _fetch(port, "GET", "/audit/export", cookies=cookies)
    return _joined(cookies | more), _token(page)


def _fetch(port, method, path, *, cookies=None, form=None):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Cookie": _joined(cookies or {})}
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request(method, path, urlencode(form or {}), headers)
    response = connection.getresponse()
    page = response.read().decode()
    connection.close()
    pairs = [
        line.split(";")[0].partition("=") for line in response.headers.get_all("Set-Cookie", [])
    ]
    return page, {name: value for name, _, value in pairs}


def _joined(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _token(page):
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
