"""The published log through the real server, as raw sockets see it."""

import pytest

from apikeys.commands import CreateCustomer
from tests.conftest import completed
from tests.edge.client import exchange, head
from tests.transparency import sequence

pytestmark = pytest.mark.edge

HOSTILE = [
    b"/log/1/tile/0/000%00",
    b"/log/1/tile/0/%ff%fe",
    b"/log/1/tile/0/" + b"x999/" * 1_000 + b"999",
    b"/log/1/tile/0/" + b"9" * 4_000,
    b"/log/" + b"9" * 4_000 + b"/checkpoint",
    b"/log/1/tile/../../../etc/passwd",
    b"/log/1//checkpoint",
    b"/log/-1/checkpoint",
    b"/log/1/tile/0/000.p/999999999999999999999",
    "/log/1/tile/0/\u0660\u0660\u0660".encode(),
]


@pytest.fixture
def _log():
    completed(CreateCustomer(name="Acme"))
    sequence()


@pytest.mark.usefixtures("_log")
def test_get_head_and_conditional_get(server):
    path = b"/log/1/tile/0/000.p/2"

    got = exchange(server.port, head(path=path)).only()
    only_head = exchange(server.port, head(b"HEAD", path)).only("HEAD")
    copy = b"If-None-Match: " + got.headers["etag"].encode() + b"\r\n"
    again = exchange(server.port, head(path=path, extra=copy)).only()

    assert (got.status, len(got.body)) == (200, 64)
    assert (only_head.status, only_head.body) == (200, b"")
    assert only_head.headers["content-length"] == "64"
    assert (again.status, again.body) == (304, b"")
    assert got.headers["cache-control"] == again.headers["cache-control"]
    assert "immutable" in got.headers["cache-control"]
    assert "set-cookie" not in got.headers
    assert exchange(server.port, head(path=b"/log/1/checkpoint")).only().status == 200


@pytest.mark.usefixtures("_log")
@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_path_is_refused_without_a_failure(path, server):
    response = exchange(server.port, head(path=path)).only()

    assert response.status in {400, 404, 414}
