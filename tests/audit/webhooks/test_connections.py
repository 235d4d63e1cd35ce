"""Connections that are kept between attempts: when they are used again, and when not."""

from contextlib import closing

import pytest

from apikeys.commands import DisableApiKey, EnableApiKey
from audit.webhooks import destinations
from audit.webhooks.destinations import NotPublic
from audit.webhooks.sending import client, connections
from audit.webhooks.sending.leases import MOST_IN_FLIGHT
from tests.audit.webhooks.receiver import HOST, Answer
from tests.conftest import completed


@pytest.fixture
def keeping(receiver, monkeypatch):
    """A receiver that leaves connections open, however slow the machine is."""
    monkeypatch.setattr(connections, "KEPT_SECONDS", 300)
    receiver.is_kept = True
    return receiver


@pytest.fixture
def post(keeping):
    """A function that sends to the receiver, and keeps connections; returns the status."""
    with closing(connections.Kept()) as kept:
        yield lambda path="/in": client.post(keeping.url(path), b"{}", {}, kept=kept).status


def test_a_connection_is_used_again_for_the_same_url_only(keeping, post):
    assert [post(), post(), post()] == [200] * 3
    assert keeping.connections == 1

    post("/other")

    assert keeping.connections == 2


def test_the_address_is_checked_although_a_connection_is_kept(keeping, post, resolved, configure):
    post()
    resolved[HOST] = ["127.0.0.2", "127.0.0.1"]
    post()
    assert keeping.connections == 1

    resolved[HOST] = ["127.0.0.2"]
    with pytest.raises(ConnectionRefusedError):
        post()
    resolved[HOST] = ["127.0.0.1"]
    post()
    configure(WEBHOOK_ALLOW_PRIVATE=False)
    with pytest.raises(NotPublic):
        post()
    assert (keeping.connections, len(keeping.received)) == (2, 3)


def test_a_connection_that_the_endpoint_closes_is_replaced(keeping, post):
    """It closes it without a response to the second request, which is sent again."""
    keeping.dropped = 2

    assert [post(), post(), post()] == [200] * 3
    assert (keeping.connections, len(keeping.received)) == (3, 3)


def test_a_new_connection_that_the_endpoint_closes_is_a_failure(keeping, post):
    keeping.dropped = 1

    with pytest.raises(ConnectionError):
        post()
    assert keeping.connections == 1


@pytest.mark.parametrize(
    "answer",
    [Answer(headers={"Connection": "close"}), Answer(body=b"x" * 2 * client.LARGEST_RESPONSE)],
    ids=["closed", "not read to its end"],
)
def test_what_cannot_be_used_again_is_not_kept(keeping, post, answer):
    keeping.answer = answer

    assert [post(), post()] == [200] * 2
    assert keeping.connections == 2


def test_old_connections_and_surplus_ones_are_closed(keeping, post, monkeypatch):
    monkeypatch.setattr(connections, "KEPT_SECONDS", 0)
    assert [post(), post()] == [200] * 2
    assert keeping.connections == 2

    monkeypatch.setattr(connections, "KEPT_SECONDS", 300)
    monkeypatch.setattr(connections, "MOST_KEPT", 1)
    for path in ("/a", "/b", "/b", "/a"):
        post(path)
    assert keeping.connections == 5


def test_deliveries_share_connections(keeping, new_endpoint, first_key, deliver, monkeypatch):
    resolutions = []
    real = destinations.addresses
    monkeypatch.setattr(client, "addresses", lambda *each: resolutions.append(each) or real(*each))
    new_endpoint(keeping.url(), event_types=("apikeys.disabled", "apikeys.enabled"))
    for _ in range(4):
        completed(DisableApiKey(api_key_id=first_key.id))
        completed(EnableApiKey(api_key_id=first_key.id))

    deliver()

    assert len(keeping.received) == len(resolutions) == 8
    assert keeping.connections <= MOST_IN_FLIGHT
