"""Header bytes reach Django unchanged, and only those of well-formed names."""

import pytest

from audit.models.records import CommandRecord
from tests.edge.client import CLOSE, exchange, head

pytestmark = pytest.mark.edge


def seen(server, extra):
    """Return what Django was given, for a request with these header lines."""
    answer = exchange(server.port, head(extra=extra)).only()
    assert answer.status == 200, answer
    return answer.json()["meta"]


def test_bytes_beyond_ascii_arrive_as_they_were_sent(server):
    lines = "Audit-Reason: Schlüssel\r\nCookie: theme=größe; sessionid=s\r\n"
    lines += "X-Forwarded-For: 192.0.2.1, ü\r\n"

    meta = seen(server, lines.encode() + b"X-Latin: gr\xf6\xdfe\r\n")

    assert meta["HTTP_AUDIT_REASON"].encode("latin-1").decode() == "Schlüssel"
    assert meta["HTTP_COOKIE"].encode("latin-1").decode() == "theme=größe; sessionid=s"
    assert meta["HTTP_X_FORWARDED_FOR"].encode("latin-1").decode() == "192.0.2.1, ü"
    assert meta["HTTP_X_LATIN"] == "größe"


def test_a_reason_beyond_ascii_is_on_record(server, first_key):
    lines = f"Authorization: Bearer {first_key.secret}\r\nAudit-Reason: Schlüssel 🗝\r\n"
    path = f"/api/v2/api-keys/{first_key.id}/disable".encode()
    request = head(b"POST", path, extra=lines.encode() + b"Content-Length: 0\r\n")

    answer = exchange(server.port, request).only()

    assert answer.status == 200
    record = CommandRecord.objects.get(command_id=answer.headers["command-id"])
    assert record.reason == "Schlüssel 🗝"


def test_a_name_with_an_underscore_is_dropped(server):
    meta = seen(server, b"X-Forwarded-For: 192.0.2.1\r\nX_Forwarded_For: 6.6.6.6\r\n")

    assert meta["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"


def test_a_name_with_an_underscore_is_dropped_also_where_there_is_no_other(server):
    meta = seen(server, b"X_Forwarded_For: 6.6.6.6\r\nContent_Length: 9\r\nX_A: b\r\n")

    assert "HTTP_X_FORWARDED_FOR" not in meta
    assert "HTTP_X_A" not in meta


def test_repeated_headers_are_joined(server):
    meta = seen(server, b"X-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\n")

    assert meta["HTTP_X_A"].replace(" ", "") == "1,2"
    assert meta["HTTP_COOKIE"] == "a=1; b=2"


def test_bytes_beyond_ascii_leave_as_django_wrote_them(server):
    received = exchange(server.port, head(path=b"/edge/header"))

    assert "X-City: Köln\r\n".lower().encode() in received.raw.lower()


def test_a_path_of_any_bytes_arrives_decoded(server):
    meta = seen_at(server, b"/edge/echo?q=%C3%A9&r=\xc3\xa9")

    assert meta["QUERY_STRING"].encode("latin-1") == b"q=%C3%A9&r=\xc3\xa9"
    assert meta["PATH_INFO"] == "/edge/echo"


def seen_at(server, path):
    return exchange(server.port, head(path=path)).only().json()["meta"]


def test_a_host_that_is_given_twice_is_refused(server):
    answer = exchange(server.port, head(extra=b"Host: evil.example\r\n")).only()

    assert answer.status == 400


def test_a_request_without_a_host_is_refused(server):
    answer = exchange(server.port, b"GET /edge/echo HTTP/1.1\r\n" + CLOSE + b"\r\n").only()

    assert answer.status == 400


@pytest.mark.parametrize(
    "line",
    [
        b"X-A: one\r\n two\r\n",
        b"X A: b\r\n",
        b"X-\xff: b\r\n",
        b": b\r\n",
        b"X-A: a\0b\r\n",
        b"X-A : b\r\n",
    ],
)
def test_a_malformed_line_is_refused(server, line):
    received = exchange(server.port, head(extra=line), seconds=20)

    assert received.is_closed
    assert [answer.status for answer in received.responses()] in ([], [400])


def test_a_head_that_is_too_large_is_refused(server):
    received = exchange(server.port, head(extra=b"X-A: " + b"a" * 600_000 + b"\r\n"))

    assert received.is_closed
    assert [answer.status for answer in received.responses()] in ([], [431])


def test_a_long_head_is_accepted(server):
    lines = b"X-A: " + b"a" * 30_000 + b"\r\n"

    assert len(seen(server, lines)["HTTP_X_A"]) == 30_000


def test_the_address_of_the_client_reaches_django(server):
    assert seen(server, b"")["REMOTE_ADDR"] == "127.0.0.1"


def test_what_a_client_says_of_the_scheme_does_not_count(server):
    meta = seen(server, b"X-Forwarded-Proto: https\r\n")

    assert meta["wsgi.url_scheme"] == "http"
