"""Request bodies: framed in one way only, whole or not at all, within a size and a time."""

import uuid

import pytest

from tests.edge.client import HOST, exchange, head

pytestmark = pytest.mark.edge

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /edge/fixed/9 HTTP/1.1\r\n" + HOST + b"\r\n"
MORE_THAN_ALLOWED = 3_000_000
PROBLEM = "application/problem+json"


def post(server, lines, body=b"", *, path=b"/edge/echo", version=b"1.1", **options):
    request = head(b"POST", path, extra=lines, version=version) + body
    return exchange(server.port, request, **options)


@pytest.fixture
def trace(server):
    """A path, and a function that returns True if a request for it reached Django."""
    name = str(uuid.uuid4())

    def reached():
        return f"reached {name}" in server.log()

    return f"/edge/mark/{name}".encode(), reached


def test_a_request_leaves_a_trace(server, trace):
    path, reached = trace

    answer = post(server, b"Content-Length: 3\r\n", b"abc", path=path).only()

    assert answer.status == 200
    assert reached()


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        CHUNKED + b"Transfer-Encoding: identity\r\n",
        CHUNKED + CHUNKED,
        b"Content-Length: +4\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length : 4\r\n",
        b"Content-Length: 4_0\r\n",
        b"Content-Length: \xb2\r\n",
    ],
)
def test_a_body_of_ambiguous_length_is_refused_and_nothing_is_read_after_it(server, trace, lines):
    path, reached = trace
    request = b"POST " + path + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n0\r\n\r\n"

    received = exchange(server.port, request + SMUGGLED, seconds=20)

    assert received.is_closed
    assert [answer.status for answer in received.responses()] in ([], [400], [501])
    assert not reached()


@pytest.mark.parametrize(
    "lines", [b"Content-Length: 4\r\n" + CHUNKED, CHUNKED + b"Content-Length: 4\r\n"]
)
def test_a_length_beside_chunks_is_ignored_and_nothing_is_read_after_the_body(server, lines):
    # As RFC 9112, section 6.3, allows: the chunks count, and the connection is closed.
    request = b"POST /edge/echo HTTP/1.1\r\n" + HOST + lines + b"\r\n1\r\nx\r\n0\r\n\r\n"

    received = exchange(server.port, request + SMUGGLED, seconds=20)

    assert received.is_closed
    assert received.only().json()["body"] == "x"


def test_chunks_in_http_1_0_are_refused(server, trace):
    path, reached = trace

    received = post(server, CHUNKED, b"3\r\nabc\r\n0\r\n\r\n", path=path, version=b"1.0", seconds=2)

    assert [answer.status for answer in received.responses()] in ([], [400])
    assert not reached()


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"GET"])
def test_a_chunked_body_arrives_whole(server, method):
    body = b"3\r\nabc\r\n2;extension=1\r\nde\r\n0\r\n\r\n"

    answer = exchange(server.port, head(method, extra=CHUNKED) + body).only()

    assert answer.json()["body"] == "abcde"
    assert answer.json()["meta"]["CONTENT_LENGTH"] == "5"


def test_a_chunked_command_is_executed(server, first_key):
    lines = f"Authorization: Bearer {first_key.secret}\r\nContent-Type: application/json\r\n"
    content = b'{"name": "chunked"}'
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)

    answer = post(server, CHUNKED + lines.encode(), body, path=b"/api/v2/api-keys").only()

    assert (answer.status, answer.json()["name"]) == (201, "chunked")


def test_the_trailers_of_a_body_are_no_headers(server):
    trailers = b"X-Trailer: 1\r\nX-Forwarded-For: 6.6.6.6\r\nHost: evil.example\r\n"

    answer = post(server, CHUNKED, b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n").only()

    meta = answer.json()["meta"]
    assert answer.json()["body"] == "abc"
    assert meta["HTTP_HOST"] == "localhost"
    assert not {"HTTP_X_TRAILER", "HTTP_X_FORWARDED_FOR"} & set(meta)


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"FFFFFFFFFFFFFFFFF\r\nabc",
        b"-3\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_malformed_chunks_never_reach_the_application(server, trace, body):
    path, reached = trace

    received = post(server, CHUNKED, body, path=path, seconds=20)

    assert received.is_closed
    assert [answer.status for answer in received.responses()] in ([], [400])
    assert not reached()


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (b"Content-Length: 10\r\n", b"abc"),
        (b"Content-Length: 10\r\n", b""),
        (CHUNKED, b"3\r\nabc\r\n"),
        (CHUNKED, b"5\r\nabc"),
        (CHUNKED, b""),
    ],
)
def test_a_body_that_ends_early_never_reaches_the_application(server, trace, lines, body):
    path, reached = trace

    received = post(server, lines, body, path=path, ends=True)

    assert [answer.status for answer in received.responses()] in ([], [400])
    assert not reached()


@pytest.mark.parametrize("expects", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server, expects):
    lines = b"Content-Length: 999999999999\r\nX-Request-Id: mine-1\r\n" + expects

    received = post(server, lines, path=b"/api/v2/api-keys")

    answer = received.only()
    assert b"100 Continue" not in received.raw
    assert received.is_closed
    assert (answer.status, answer.headers["content-type"]) == (413, PROBLEM)
    assert answer.json()["code"] == "body_too_large"
    assert answer.headers["x-request-id"] == "mine-1"


def test_a_client_that_sends_a_body_that_is_too_large_gets_the_response(server):
    body = b"x" * MORE_THAN_ALLOWED

    answer = post(server, b"Content-Length: %d\r\n" % len(body), body).only()

    assert answer.status == 413
    assert answer.headers["x-request-id"]


def test_a_chunked_body_that_is_too_large_is_refused(server):
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"

    answer = post(server, CHUNKED, chunk * 40 + b"0\r\n\r\n").only()

    assert answer.status == 413


def test_a_body_of_the_largest_size_is_accepted(server):
    body = b"x" * 1024 * 1024

    answer = post(server, b"Content-Length: %d\r\n" % len(body), body, seconds=10).only()

    assert len(answer.json()["body"]) == len(body)


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(server):
    lines = b"Content-Length: 3\r\nExpect: 100-continue\r\n"

    received = post(server, lines, pieces=[(0.3, b"abc")])

    assert received.raw.startswith(b"HTTP/1.1 100")
    assert received.only().json()["body"] == "abc"


def test_a_body_that_does_not_arrive_in_time_is_refused(server, trace):
    path, reached = trace
    lines = b"Content-Length: 500\r\n"

    received = exchange(server.port, head(b"POST", path, extra=lines) + b"abcd", seconds=15)

    answer = received.only()
    assert received.is_closed
    assert (answer.status, answer.headers["content-type"]) == (408, PROBLEM)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert not reached()


def test_a_request_after_one_with_a_body_is_read_from_its_start(server):
    first = b"POST /edge/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"

    received = exchange(server.port, first + head(path=b"/edge/fixed/1"))

    assert [answer.status for answer in received.responses()] == [200, 200]
