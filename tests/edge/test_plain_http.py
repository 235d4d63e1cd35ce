"""Requests over plain HTTP to a server that is to be reached over HTTPS."""

import pytest

from tests.edge.client import exchange, head

pytestmark = pytest.mark.edge

BEARER = b"Authorization: Bearer cs_live_x\r\n"
SESSION = b"Cookie: sessionid=abc\r\n"


@pytest.fixture
def secure(serve):
    """A server behind one proxy that ends HTTPS."""
    return serve(HTTPS="true", TRUSTED_PROXIES="1")


@pytest.mark.parametrize("version", [b"v1", b"v2"])
@pytest.mark.parametrize("credentials", [BEARER, SESSION])
def test_credentials_are_refused_and_not_redirected(secure, version, credentials):
    path = b"/api/" + version + b"/api-keys"

    answer = exchange(secure.port, head(b"POST", path, extra=credentials)).only()

    assert (answer.status, answer.json()["code"]) == (403, "plain_http")
    assert "location" not in answer.headers
    over_https = credentials + b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\n"
    assert exchange(secure.port, head(path=path, extra=over_https)).only().status == 401
    page = exchange(secure.port, head(path=b"/admin/", extra=credentials)).only()
    assert (page.status, page.headers["location"]) == (301, "https://localhost/admin/")
