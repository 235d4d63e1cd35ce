"""What one process of the server changes holds in every other one at the very next request."""

import http.client
import json

import pytest

from tests.conftest import create_key
from tests.servers import free_port, serving

pytestmark = pytest.mark.edge

ROUNDS = 5


@pytest.fixture
def two_servers():
    """Two servers that share nothing but the database."""
    ports = free_port(), free_port()
    with serving(ports[0]), serving(ports[1]):
        yield ports


def status_of(port, method, path, key):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/json", **key.headers}
    client.request(method, path, json.dumps({}) if method == "POST" else None, headers)
    status = client.getresponse().status
    client.close()
    return status


def test_a_key_disabled_in_one_is_refused_by_the_other_at_once(two_servers, first_key, dana, acme):
    here, there = two_servers
    other = create_key(dana, acme, name="other")
    switch = f"/api/v2/api-keys/{other.id}"

    for _ in range(ROUNDS):
        assert status_of(there, "GET", "/api/v2/whoami", other) == 200
        assert status_of(here, "POST", f"{switch}/disable", first_key) == 200
        assert status_of(there, "GET", "/api/v2/whoami", other) == 401
        assert status_of(here, "POST", f"{switch}/enable", first_key) == 200
        assert status_of(there, "GET", "/api/v2/whoami", other) == 200
