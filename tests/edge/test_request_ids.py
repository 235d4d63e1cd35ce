"""The id of a request, on whatever responds to it and in the log."""

import json

import pytest

from tests.edge.client import exchange, head

pytestmark = pytest.mark.edge


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        (b"GET", b"/api/v2/whoami", 401),
        (b"HEAD", b"/api/v2/whoami", 401),
        (b"OPTIONS", b"/api/v2/api-keys", 401),
        (b"GET", b"/api/v1/api-keys", 401),
        (b"GET", b"/api/v2/nothing", 404),
        (b"PATCH", b"/api/v2/whoami", 401),
        (b"GET", b"/api/v2/openapi.json", 200),
        (b"GET", b"/admin/login/", 200),
        (b"GET", b"/edge/nothing", 404),
    ],
)
@pytest.mark.parametrize(
    "given", [b"", b"X-Request-Id: req-1\r\n", b"X-Request-Id: caf\xc3\xa9\r\n"]
)
def test_every_response_carries_it(server, method, path, status, given):
    answer = exchange(server.port, head(method, path, extra=given)).only(method.decode())

    assert answer.status == status
    carried = answer.headers["x-request-id"]
    assert (carried == "req-1") is (b"req-1" in given)
    assert len(carried) in (5, 36)


def test_it_finds_the_line_in_the_log_and_no_secret_is_in_it(serve):
    server = serve(LOG_FORMAT="json")
    token = b"disxpy-0123456789abcdef0123456789abcdef"
    secret = b"cs_live_4fzZtBDdUkW2gHqXyqkJ9v0000000000a"
    extra = b"X-Request-Id: find-me\r\nAuthorization: Bearer " + secret + b"\r\n"

    exchange(
        server.port, head(path=b"/set-password/MTA/" + token + b"/?key=" + secret, extra=extra)
    )
    exchange(server.port, head(path=b"/api/v2/" + secret, extra=extra))
    exchange(server.port, head(path=b"/api/v2/whoami", extra=extra))

    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    found = [line for line in lines if line.get("request_id") == "find-me"]
    assert [line["code"] for line in found if line["event"] == "request_finished"] == [
        200,
        404,
        401,
    ]
    assert secret.decode() not in server.log()
    assert token.decode() not in server.log()
