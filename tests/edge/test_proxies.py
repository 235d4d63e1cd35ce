"""The client's address behind real proxies, whatever the client sends."""

import json
from uuid import uuid4

import pytest

from apikeys.models.tokens import Token
from tests.edge.client import connect, exchange, get, head, read
from tests.edge.proxies import proxy
from tests.edge.servers import serving

pytestmark = pytest.mark.edge

FORGED = b"203.0.113.9"


@pytest.fixture(scope="module")
def behind(django_db_setup, tmp_path_factory):
    """A server that trusts two proxies."""
    directory = tmp_path_factory.mktemp("behind")
    environment = {"LOG_FORMAT": "json", "RATE_LIMIT_FAILED_ATTEMPTS": "5/3600"}
    with serving(directory, TRUSTED_PROXIES="2", **environment) as server:
        yield server


@pytest.fixture(scope="module", params=[("haproxy", "nginx"), ("nginx", "haproxy")], ids="-".join)
def outer(request, behind, tmp_path_factory):
    """The port of the outer of two proxies."""
    outer, inner = request.param
    directory = tmp_path_factory.mktemp("proxies")
    with (
        proxy(inner, directory / "inner", server=behind.port) as port,
        proxy(outer, directory / "outer", server=port) as outermost,
    ):
        yield outermost


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"X-Forwarded-For: " + FORGED + b"\r\n",
        b"X-Forwarded-For: " + FORGED + b"\r\nX-Forwarded-For: " + FORGED + b"\r\n",
        b"X_Forwarded_For: " + FORGED + b"\r\n",
        b"X-Forwarded-For: caf\xc3\xa9, " + FORGED + b":80\r\n",
        b"X-Forwarded-For: ,\r\n",
        b'X-Forwarded-For: "' + b"x" * 3000 + b"\r\n",
        b"Forwarded: for=" + FORGED + b"\r\nX-Real-Ip: " + FORGED + b"\r\n",
    ],
)
def test_the_client_cannot_choose_its_address(behind, outer, extra):
    request_id = str(uuid4())

    given = extra + f"X-Request-Id: {request_id}\r\n".encode()
    answer = exchange(outer, head(path=b"/api/v2/whoami", extra=given)).only()

    assert answer.status == 401
    assert address_of(behind, request_id) == "127.0.0.1"


def test_a_trailer_is_no_header(behind, outer):
    request_id = str(uuid4())
    chunked = f"Transfer-Encoding: chunked\r\nX-Request-Id: {request_id}\r\n".encode()
    body = b"2\r\n{}\r\n0\r\nX-Forwarded-For: " + FORGED + b"\r\n\r\n"

    exchange(outer, head(b"POST", b"/api/v2/api-keys", extra=chunked) + body)

    assert address_of(behind, request_id) == "127.0.0.1"


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: %d\r\n" + CHUNKED,
        CHUNKED + b"Content-Length: %d\r\n",
        CHUNKED + b"Content-Length: 4\r\n",
        b"Content-Length: 4\r\n" + CHUNKED,
        b"Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked, identity\r\n",
        b"Content-Length: %d\r\nTransfer-Encoding : chunked\r\n",
        b"Content-Length: %d\r\nTransfer-Encoding:\x0bchunked\r\n",
        b"Content-Length: %d\r\nTransfer_Encoding: chunked\r\n",
        b"Content-Length: %d\r\nX-A: b\n" + CHUNKED,
        b"Content-Length: %d\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: %d\r\n",
    ],
)
@pytest.mark.parametrize("begins", [b"0\r\n\r\n", b"%x\r\n"], ids=["ends", "continues"])
def test_no_request_is_smuggled_past_a_proxy(behind, outer, lines, begins):
    name = str(uuid4())
    # The proxies deny this path, so only a request that they did not see gets there.
    path = f"/edge/mark/{name}".encode()
    hidden = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nX-A: 0123456789\r\n\r\n"
    begins = begins % len(hidden) if b"%x" in begins else begins
    body = begins + hidden + b"\r\n0\r\n\r\n"
    lines = lines % len(body) if b"%d" in lines else lines

    with connect(outer) as client:
        client.sendall(b"POST /edge/echo HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n" + body)
        read(client, seconds=0.5)
    # More requests on the connections that the proxies keep to the server.
    assert [get(outer, "/edge/fixed/1") for _ in range(3)] == [200, 200, 200]

    assert f"reached {name}" not in behind.log()


def test_a_proxy_denies_what_must_not_reach_the_server(behind, outer):
    assert get(outer, "/edge/mark/denied") == 403
    assert get(behind.port, "/edge/mark/direct", headers={"Host": "localhost"}) == 200
    assert "reached direct" in behind.log()
    assert "reached denied" not in behind.log()


def test_headers_arrive_unchanged(outer):
    reason = "Schlüssel verloren".encode()
    extra = b"Audit-Reason: " + reason + b"\r\n" + "Cookie: theme=größe; x=1\r\n".encode()
    seen = exchange(outer, head(extra=extra)).only().json()["meta"]

    assert seen["HTTP_AUDIT_REASON"].encode("latin-1") == reason
    assert seen["HTTP_COOKIE"].encode("latin-1") == "theme=größe; x=1".encode()


def test_failed_attempts_are_limited_whatever_address_is_claimed(outer):
    statuses = []
    for number in range(6):
        claimed = f"X-Forwarded-For: é, 198.51.100.{number}\r\n"
        extra = f"{claimed}Authorization: Bearer {Token.generate().text}\r\n".encode()
        request = head(path=b"/api/v2/whoami", extra=extra)
        statuses.append(exchange(outer, request).only().status)

    assert statuses[-1] == 429


def address_of(server, request_id):
    """Return the address in the log line of a request."""
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    (line,) = (
        line
        for line in lines
        if line.get("request_id") == request_id and line["event"] == "request_finished"
    )
    return line["ip"]
