"""From where and when a key works: one answer for whatever is wrong, at the very next request."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.commands import DeleteApiKey, UpdateApiKey
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from audit.actors.credentials import live_actor
from audit.outside import outside_command
from tests.conftest import approved, completed, create_key, policy
from tests.http import call

WHOAMI = "/api/v2/whoami"
KEYS = "/api/v2/api-keys"
DAY = timedelta(days=1)


@pytest.fixture
def robot(dana, acme):
    """The key that works no more, or not yet."""
    return create_key(dana, acme, name="robot")


def spoil(robot, why):
    with outside_command("Let time pass"):
        match why:
            case "expired":
                ApiKey.objects.filter(pk=robot.id).update(expires_at=timezone.now())
            case "not_yet_valid":
                ApiKey.objects.filter(pk=robot.id).update(not_before=timezone.now() + DAY)
    match why:
        case "deleted":
            completed(DeleteApiKey(api_key_id=robot.id))
        case "network_not_allowed":
            networks = ("192.0.2.0/24", "2001:db8::/32")
            completed(UpdateApiKey(api_key_id=robot.id, allowed_networks=networks))


@pytest.mark.parametrize("why", ["expired", "not_yet_valid", "deleted", "network_not_allowed"])
def test_the_caller_is_told_nothing_and_the_log_why(client, robot, caplog, why):
    unknown = call(client, "GET", WHOAMI, key="cs_live_" + "0" * 33, X_Request_Id="req-1")
    assert call(client, "GET", WHOAMI, key=robot).status_code == 200
    spoil(robot, why)

    answer = call(client, "GET", WHOAMI, key=robot, X_Request_Id="req-1")

    assert (answer.status_code, answer.content) == (401, unknown.content)
    assert why in caplog.text
    assert robot.secret not in caplog.text


@pytest.mark.parametrize("why", ["expired", "not_yet_valid", "deleted"])
def test_a_key_that_is_not_good_asks_for_nothing_that_waits(robot, why):
    assert live_actor("api_key", str(robot.id)).scopes == {"read", "write"}

    spoil(robot, why)

    assert live_actor("api_key", str(robot.id)) is None


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ((), "198.51.100.7", 200),
        (("192.0.2.0/24",), "192.0.2.255", 200),
        (("192.0.2.0/24",), "192.0.3.0", 401),
        (("192.0.2.0/24",), "::ffff:192.0.2.1", 200),
        (("192.0.2.0/24", "2001:db8::/32"), "2001:db8:ffff::1", 200),
        (("192.0.2.0/24", "2001:db8::/32"), "2001:db9::1", 401),
        (("198.51.100.7",), "198.51.100.7", 200),
        (("198.51.100.7",), "198.51.100.8", 401),
        (("0.0.0.0/0",), "2001:db8::1", 401),
        (("0.0.0.0/0", "::/0"), "", 401),
    ],
)
def test_a_key_works_from_its_networks_only(dana, acme, networks, address, status):
    key = create_key(dana, acme, name="office", allowed_networks=networks)

    answer = call(Client(REMOTE_ADDR=address), "GET", WHOAMI, key=key)

    assert answer.status_code == status


def test_what_was_asked_for_from_an_allowed_network_is_carried_out_wherever_approvers_are(
    client, robot, dana, acme, security, ann, bob, first_key
):
    policy("apikeys.disable", group=security, quorum=2)
    office = {"api_key_id": robot.id, "allowed_networks": ("192.0.2.0/24",)}
    completed(UpdateApiKey(**office))
    path = f"{KEYS}/{first_key.id}/disable"
    held = call(Client(REMOTE_ADDR="192.0.2.1"), "POST", path, key=robot)

    request = approved(ApprovalRequest.objects.get(), ann, bob)

    assert (held.status_code, request.state) == (202, "executed")
    assert not ApiKey.objects.get(pk=first_key.id).is_enabled


def test_fewer_scopes_take_effect_at_the_next_request(client, robot, first_key):
    path = f"{KEYS}/{first_key.id}/disable"
    body = {"scopes": ["read"]}
    assert call(client, "PATCH", f"{KEYS}/{robot.id}", body, key=first_key).status_code == 200

    answer = call(client, "POST", path, key=robot)

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_a_key_that_lost_a_scope_meanwhile_does_not_get_what_was_approved(
    client, robot, first_key, security, ann, bob
):
    policy("apikeys.disable", group=security, quorum=2)
    call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=robot)
    completed(UpdateApiKey(api_key_id=robot.id, scopes=("read",)))

    request = approved(ApprovalRequest.objects.get(), ann, bob)

    assert (request.state, request.outcome_code) == ("refused", "forbidden")
    assert ApiKey.objects.get(pk=first_key.id).is_enabled
