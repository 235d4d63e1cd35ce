"""Webhook endpoints: their life over HTTP, their secrets, and who sees them."""

import base64
import json
import uuid

import pytest

from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, EventRecord
from audit.webhooks import secrets
from audit.webhooks.commands import (
    CreateWebhookEndpoint,
    PickUpWebhookSecret,
    RotateWebhookSecret,
)
from audit.webhooks.models import WebhookEndpoint
from audit.webhooks.refusals import NotRequesterOfSecret
from tests.conftest import approved, completed, held, policy

ENDPOINTS = "/api/v2/webhook-endpoints"
HOOK = "https://hooks.example/in"


def send(client, verb, path="", **body):
    return client.generic(verb, ENDPOINTS + path, json.dumps(body), "application/json")


def test_an_endpoint_lives_through_all_its_commands(browser, wanda, acme):
    client = browser(wanda)

    created = send(client, "POST", destination=HOOK, event_types=["apikeys.*"])
    item = f"/{created.json()['id']}"
    updated = send(client, "PATCH", item, description="ours", payload="full")
    rotated = send(client, "POST", f"{item}/rotate", overlap_seconds=60)
    crowded = send(client, "POST", f"{item}/rotate", overlap_seconds=60)
    tested = send(client, "POST", f"{item}/test")
    disabled = send(client, "POST", f"{item}/disable")
    untested = send(client, "POST", f"{item}/test")
    enabled = send(client, "POST", f"{item}/enable")
    deleted = send(client, "DELETE", item)
    revived = send(client, "POST", f"{item}/enable")

    assert created.status_code == 201
    assert created.json()["state"] == "enabled"
    assert created.json()["tenant"] == str(acme.pk)
    assert len(base64.b64decode(created.json()["secret"].removeprefix("whsec_"))) == 32
    assert (updated.json()["description"], updated.json()["payload"]) == ("ours", "full")
    assert rotated.json()["secret"] != created.json()["secret"]
    assert rotated.json()["former_secret_ends_at"]
    assert (crowded.status_code, crowded.json()["code"]) == (409, "secret_rotation_under_way")
    assert tested.status_code == 200
    assert disabled.json()["disabled_because"] == "requested"
    assert (untested.status_code, untested.json()["code"]) == (409, "endpoint_disabled")
    assert enabled.json()["state"] == "enabled"
    assert deleted.json()["state"] == "deleted"
    assert (revived.status_code, revived.json()["code"]) == (409, "endpoint_deleted")
    assert client.get(ENDPOINTS).json()["results"] == []
    assert client.get(ENDPOINTS + item).json()["version"] == deleted.json()["version"] == 7


def test_a_secret_is_shown_once_and_stored_encrypted_only(browser, wanda, owner):
    client = browser(wanda)
    headers = {"HTTP_IDEMPOTENCY_KEY": "w-1"}
    body = json.dumps({"destination": HOOK})

    first = client.post(ENDPOINTS, body, "application/json", **headers).json()
    again = client.post(ENDPOINTS, body, "application/json", **headers).json()

    assert again["secret"] is None
    assert f"POST {first['url']}/rotate" in again["secret_note"]
    dump = str(
        [
            owner.execute(f"SELECT {table}::text FROM {table}").fetchall()
            for table in (
                *("audit_commandrecord", "audit_eventrecord", "audit_webhookendpoint"),
                "audit_historicalwebhookendpoint",
            )
        ]
    )
    plain = first["secret"].removeprefix("whsec_")
    assert plain not in dump
    assert base64.b64decode(plain).hex() not in dump
    row = WebhookEndpoint.objects.get()
    assert secrets.decrypt(row.secret, endpoint_id=row.pk) == first["secret"]


def test_a_stored_secret_is_bound_to_its_endpoint_and_to_a_key(new_endpoint, configure):
    (one, secret), (other, _) = new_endpoint(), new_endpoint()

    with pytest.raises(secrets.Undecryptable):
        secrets.decrypt(one.secret, endpoint_id=other.pk)
    configure(WEBHOOK_KEYS={"k9": b"n" * 32})
    with pytest.raises(secrets.Undecryptable):
        secrets.decrypt(one.secret, endpoint_id=one.pk)
    assert secret.startswith("whsec_")


def test_a_held_creation_gives_the_secret_to_its_requester_only(
    security, ann, bob, wanda, acme, context_of, gus
):
    policy("webhooks.create_endpoint", group=security, quorum=1)
    command = CreateWebhookEndpoint(tenant=str(acme.pk), destination=HOOK)
    request = held(command, context=context_of(wanda))
    approved(request, ann)
    endpoint = WebhookEndpoint.objects.get()
    pick_up = PickUpWebhookSecret(endpoint_id=endpoint.pk)

    assert (endpoint.state, endpoint.secret) == ("awaiting_pick_up", None)
    with pytest.raises(NotRequesterOfSecret):
        completed(pick_up, context=context_of(ann))
    picked_up = completed(pick_up, context=context_of(wanda))

    assert picked_up.state == "enabled"
    assert ApprovalRequest.objects.get().state == "executed"


def test_a_held_rotation_keeps_the_old_secret_until_the_new_one_is_picked_up(
    security, ann, wanda, new_endpoint, context_of
):
    endpoint, _ = new_endpoint()
    policy("webhooks.rotate_secret", group=security, quorum=1)
    rotate = RotateWebhookSecret(endpoint_id=endpoint.pk, overlap_seconds=60)
    approved(held(rotate, context=context_of(wanda)), ann)
    before = WebhookEndpoint.objects.get()

    completed(PickUpWebhookSecret(endpoint_id=endpoint.pk), context=context_of(wanda))

    after = WebhookEndpoint.objects.get()
    assert bytes(before.secret) == bytes(after.former_secret) != bytes(after.secret)
    assert after.pick_up_kind == ""


def test_customers_see_their_own_endpoints_only(browser, walt, wanda, new_endpoint, first_key):
    endpoint, _ = new_endpoint()
    item = f"/{endpoint.pk}"
    stranger = browser(walt)

    for verb, path, body in (
        ("GET", item, {}),
        ("GET", f"{item}/deliveries", {}),
        ("PATCH", item, {"description": "x"}),
        ("POST", f"{item}/rotate", {"overlap_seconds": 0}),
        ("POST", f"{item}/test", {}),
        ("POST", f"{item}/deliveries/{uuid.uuid4()}/resend", {}),
        ("DELETE", item, {}),
    ):
        hidden = send(stranger, verb, path, **body)
        missing = send(stranger, verb, path.replace(str(endpoint.pk), str(uuid.uuid4())), **body)
        assert hidden.status_code == missing.status_code == 404, path
        assert hidden.json()["detail"] == missing.json()["detail"]
    assert stranger.get(ENDPOINTS).json()["results"] == []
    assert len(browser(wanda).get(ENDPOINTS).json()["results"]) == 1
    for tenant in ("*", str(walt.membership_set.get().customer_id)):
        assert send(browser(wanda), "POST", destination=HOOK, tenant=tenant).status_code == 404


def test_permissions_decide_who_manages_endpoints(browser, dana, iris, new_endpoint):
    endpoint, _ = new_endpoint()

    assert browser(iris).get(ENDPOINTS).status_code == 403
    refused = send(browser(dana), "POST", f"/{endpoint.pk}/disable")

    assert refused.status_code == 403
    assert CommandRecord.objects.latest("position").error_code == "forbidden"
    assert not EventRecord.objects.filter(message_type="webhooks.endpoint_disabled").exists()


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        ("http://hooks.example/", "must begin with https://"),
        ("ftp://hooks.example/", "must begin with https://"),
        ("https://user@hooks.example/", "user name"),
        ("https://user:pw@hooks.example/", "user name"),
        ("https://hooks.example:8443/", "ports 443"),
        ("https://hooks.example:0x1/", "valid URL"),
        ("https://hooks.example:99999/", "valid URL"),
        ("https:///path", "with a host"),
        ("https://hooks.example/#part", "without a fragment"),
        ("https://hooks.example\\@evil.example/", "visible ASCII"),
        ("https://hooks.example/\r\nHost: x", "visible ASCII"),
        ("https://h\N{LATIN SMALL LETTER U WITH DIAERESIS}.example/", "visible ASCII"),
        ("https://127.0.0.1/", "public address"),
        ("https://[::ffff:10.0.0.1]/", "public address"),
        ("https://localhost/", "public address"),
    ],
)
def test_a_destination_is_an_https_url_at_a_public_address(
    browser, wanda, acme, destination, problem
):
    answer = send(browser(wanda), "POST", destination=destination)

    assert answer.status_code == 400
    assert problem in answer.json()["errors"][0]["detail"]
    assert answer.json()["errors"][0]["pointer"] == "/destination"


def test_only_known_forms_of_event_types_are_accepted(browser, wanda, acme):
    client = browser(wanda)

    for wrong in ([], ["Apikeys.*"], ["*.created"], ["apikeys.%"], ["a b"], "apikeys.*"):
        assert send(client, "POST", destination=HOOK, event_types=wrong).status_code == 400
    fine = send(client, "POST", destination=HOOK, event_types=["*", "apikeys.created", "a.b.*"])
    assert fine.status_code == 201


def test_a_tenant_has_only_visible_characters(browser, admin_user, wanda):
    for tenant in ("a\x07b", "a\u202eb", "x" * 101):
        refused = send(browser(admin_user), "POST", destination=HOOK, tenant=tenant)

        assert refused.status_code == 400
        assert refused.json()["errors"][0]["pointer"] == "/tenant"
    hidden = send(browser(wanda), "POST", destination=HOOK, tenant="unknown")
    assert hidden.status_code == 404
    assert not WebhookEndpoint.objects.exists()
