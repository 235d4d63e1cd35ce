"""Deliveries: what is sent, when, to whom, and what follows from the response."""

import json
import threading
from contextlib import closing
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from apikeys.commands import DisableApiKey, EnableApiKey
from audit.bus.dispatch import dispatch
from audit.models.records import EventRecord
from audit.outside import outside_command
from audit.testing import react
from audit.webhooks import resending
from audit.webhooks.commands import (
    EnableWebhookEndpoint,
    ResendDelivery,
    ResendSince,
    RotateWebhookSecret,
    SendTestEvent,
)
from audit.webhooks.deliveries import WebhookAttempt, WebhookDelivery
from audit.webhooks.fan_out import fan_out
from audit.webhooks.models import WebhookEndpoint, WebhookOutage
from audit.webhooks.refusals import TooManyDeliveries
from audit.webhooks.sending import results, sender
from audit.webhooks.sending.connections import Kept
from audit.webhooks.sending.leases import MOST_IN_FLIGHT, lease
from audit.webhooks.sending.sender import Sender, clean
from tests.audit.webhooks.conftest import in_the_past
from tests.audit.webhooks.receiver import Answer
from tests.conftest import AS_SYSTEM, completed

KEYS = {"event_types": ("apikeys.disabled", "apikeys.enabled")}


def test_a_foreign_library_accepts_our_signature(receiver, new_endpoint, first_key, deliver):
    endpoint, secret = new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))

    deliver()

    (received,) = receiver.received
    event = EventRecord.objects.get(message_type="apikeys.disabled")
    verified = Webhook(secret).verify(received.body, received.headers)
    assert verified == {
        "specversion": "1.0",
        "id": str(event.id),
        "type": "apikeys.disabled",
        "source": "http://127.0.0.1:8000/audit/",
        "subject": f"api-key:{first_key.id}",
        "time": event.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "sequence": "2",
        "schemaversion": 1,
        "commandid": str(event.command_id),
        "attempt": 1,
        "correlationid": str(event.correlation_id),
        "causationid": str(event.causation_id),
        "tenant": endpoint.tenant,
        "datacontenttype": "application/json",
        "data": {"url": f"http://127.0.0.1:8000/api/v2/api-keys/{first_key.id}"},
    }
    assert received.headers["webhook-id"] == str(event.id)
    assert received.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(received.body + b" ", received.headers)


def secret_of(command):
    """The secret that a command shows."""
    return dispatch(command, context=AS_SYSTEM).secret


def test_both_secrets_sign_during_overlap(receiver, new_endpoint, first_key, deliver):
    endpoint, first = new_endpoint(receiver.url(), payload="full", **KEYS)
    rotate = RotateWebhookSecret(endpoint_id=endpoint.pk, overlap_seconds=3600)
    second = secret_of(rotate)
    completed(DisableApiKey(api_key_id=first_key.id))
    deliver()
    secret_of(RotateWebhookSecret(endpoint_id=endpoint.pk, overlap_seconds=0))
    completed(EnableApiKey(api_key_id=first_key.id))
    deliver()

    during, after = receiver.received
    for secret in (first, second):
        content = Webhook(secret).verify(during.body, during.headers)
        assert content["data"] == {"api_key_id": str(first_key.id)}
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(after.body, after.headers)


def test_each_event_is_delivered_once_to_the_endpoints_that_want_it(
    receiver, new_endpoint, first_key, deliver, walt
):
    chosen, _ = new_endpoint(receiver.url("/types"), **KEYS)
    new_endpoint(receiver.url("/prefix"), event_types=("apikeys.*",))
    new_endpoint(receiver.url("/others"), event_types=("apikeys.rotated", "approvals.*"))
    new_endpoint(receiver.url("/all"))
    completed(DisableApiKey(api_key_id=first_key.id))
    completed(SendTestEvent(endpoint_id=chosen.pk))

    deliver()
    deliver()

    sent = [(each.path, json.loads(each.body)["type"]) for each in receiver.received]
    types = {path: [each for found, each in sent if found == path] for path, _ in sent}
    assert sorted(types["/types"]) == ["apikeys.disabled", "webhooks.test_sent"]
    assert set(types) == {"/types", "/prefix", "/all"}
    assert types["/all"].count("webhooks.endpoint_created") == 4
    assert "webhooks.test_sent" not in types["/all"]
    assert {each.partition(".")[0] for each in types["/prefix"]} == {"apikeys"}
    assert types["/prefix"].count("apikeys.disabled") == 1
    ids = [(each.path, each.headers["webhook-id"]) for each in receiver.received]
    assert len(ids) == len(set(ids))


def test_the_schedule_is_kept_with_jitter_and_ends(receiver, new_endpoint, first_key, deliver):
    receiver.answer = Answer(500, body=b"\x00broken" + b"x" * 5000)
    new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))

    pauses = []
    for _ in results.SCHEDULE:
        in_the_past()
        deliver()
        row = WebhookDelivery.objects.get()
        if row.next_attempt_at:
            last = row.attempts.latest("id")
            pauses.append((row.next_attempt_at - last.at).total_seconds())

    assert row.state == "failed"
    assert len(receiver.received) == len(results.SCHEDULE) == 8
    assert {each.headers["webhook-id"] for each in receiver.received} == {str(row.event_id)}
    for planned, real in zip(results.SCHEDULE[1:], pauses, strict=True):
        assert planned * 0.8 <= real <= planned * 1.2 + 60
    attempt = row.attempts.first()
    assert (attempt.status, attempt.response[:7]) == (500, "\N{REPLACEMENT CHARACTER}broken")
    assert len(attempt.response) <= 1024


@pytest.mark.parametrize(
    ("status", "retry_after", "least", "most"),
    [(503, "600", 600, 601), (429, "999999", 3600, 3601), (429, "soon", 4, 7), (500, "600", 4, 7)],
)
def test_retry_after_is_honored_up_to_an_hour(
    receiver, new_endpoint, first_key, deliver, status, retry_after, least, most
):
    receiver.answer = Answer(status, {"Retry-After": retry_after})
    new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))

    before = timezone.now()
    deliver()

    row = WebhookDelivery.objects.get()
    # The upper bound is from the moment of recording, which is at most now.
    assert row.next_attempt_at >= before + timedelta(seconds=least)
    assert row.next_attempt_at <= timezone.now() + timedelta(seconds=most)


def test_410_disables_the_endpoint(receiver, new_endpoint, first_key, deliver):
    receiver.answer = Answer(410)
    endpoint, _ = new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))

    deliver()

    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_enabled, endpoint.disabled_because) == (False, "gone")
    event = EventRecord.objects.get(message_type="webhooks.endpoint_disabled")
    assert event.data["disabled_because"] == "gone"
    assert WebhookDelivery.objects.get().state == "failed"


def test_five_days_of_failures_disable_the_endpoint_and_a_success_resets_them(
    receiver, new_endpoint, first_key, deliver
):
    receiver.answer = Answer(500)
    endpoint, _ = new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))
    deliver()
    outages = WebhookOutage.objects.all()
    outages.update(since=timezone.now() - timedelta(days=5, seconds=-60))
    in_the_past()
    deliver()
    assert WebhookEndpoint.objects.get().is_enabled

    receiver.answer = Answer(204)
    in_the_past()
    deliver()
    assert not outages.exists()

    receiver.answer = Answer(500)
    completed(EnableApiKey(api_key_id=first_key.id))
    deliver()
    outages.update(since=timezone.now() - timedelta(days=5))
    in_the_past()
    deliver()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_enabled, endpoint.disabled_because) == (False, "failing")

    completed(EnableWebhookEndpoint(endpoint_id=endpoint.pk))
    assert not outages.exists()


def test_a_redirect_is_a_failure(receiver, new_endpoint, first_key, deliver):
    receiver.answer = Answer(307, {"Location": receiver.url("/elsewhere")})
    new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))

    deliver()

    assert [each.path for each in receiver.received] == ["/in"]
    assert WebhookDelivery.objects.get().state == "pending"
    assert WebhookAttempt.objects.get().status == 307


def test_a_killed_sender_sends_again_with_the_same_id(receiver, new_endpoint, first_key, deliver):
    new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))
    for event in EventRecord.objects.all():
        fan_out(event.id)

    # It has sent, and is killed before it records the result.
    (taken,) = lease(most=10, are_failing=False)
    with closing(Kept()) as kept:
        sender.attempt(taken, kept)
    deliver()
    assert len(receiver.received) == 1
    in_the_past()
    deliver()

    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert WebhookDelivery.objects.get().state == "delivered"


def test_one_dead_endpoint_does_not_delay_others(receiver, new_endpoint, first_key, deliver):
    receiver.held["/dead"] = is_over = threading.Event()
    dead, _ = new_endpoint(receiver.url("/dead"), **KEYS)
    alive = [new_endpoint(receiver.url(f"/{number}"), **KEYS)[0] for number in range(3)]
    for _ in range(4):
        completed(DisableApiKey(api_key_id=first_key.id))
        completed(EnableApiKey(api_key_id=first_key.id))
    for event in EventRecord.objects.order_by("position"):
        fan_out(event.id)
    others = WebhookDelivery.objects.filter(endpoint__in=alive)

    running = Sender()
    while others.filter(state="pending").exists():
        running.turn()

    at_once = [each.path for each in receiver.received].count("/dead")
    assert at_once <= MOST_IN_FLIGHT
    assert not WebhookAttempt.objects.filter(delivery__endpoint=dead).exists()
    assert others.filter(state="delivered").count() == 8 * 3
    # Another process leases none of it, either.
    assert lease(most=10, are_failing=False) == []
    is_over.set()
    while running.turn():
        pass
    assert dead.deliveries.filter(state="delivered").count() == 8


def test_senders_in_two_processes_keep_to_the_limit_together(new_endpoint, first_key):
    endpoint, _ = new_endpoint(**KEYS)
    for _ in range(3):
        completed(DisableApiKey(api_key_id=first_key.id))
        completed(EnableApiKey(api_key_id=first_key.id))
    for event in EventRecord.objects.order_by("position"):
        fan_out(event.id)

    leased = [lease(most=1, are_failing=False) for _ in range(4)]

    assert [len(each) for each in leased] == [1, 1, 0, 0]
    WebhookOutage.objects.create(endpoint=endpoint, since=timezone.now())
    WebhookDelivery.objects.update(leased_until=None)
    assert lease(most=5, are_failing=False) == []
    assert len(lease(most=5, are_failing=True)) == 1


def test_no_sender_leases_while_another_one_does(new_endpoint, first_key, owner):
    endpoint, _ = new_endpoint(**KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))
    fan_out(EventRecord.objects.latest("position").id)

    with owner.transaction():
        locked = "SELECT FROM audit_webhookendpoint WHERE id = %s FOR NO KEY UPDATE"
        owner.execute(locked, [endpoint.pk])
        assert lease(most=1, are_failing=False) == []

    assert len(lease(most=1, are_failing=False)) == 1


def test_a_result_that_comes_after_the_end_of_its_lease_is_only_recorded(new_endpoint, first_key):
    new_endpoint(**KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))
    fan_out(EventRecord.objects.latest("position").id)
    (late,) = lease(most=1, are_failing=False)
    in_the_past()
    (current,) = lease(most=1, are_failing=False)

    now = timezone.now()
    results.record([(late, results.Result(at=now, duration_ms=1, error="late"))])

    row = WebhookDelivery.objects.get()
    assert (row.state, row.step, row.leased_until) == ("pending", 0, current.until)
    assert row.attempts.get().error == "late"
    results.record([(current, results.Result(at=now, duration_ms=1, status=200))])
    assert WebhookDelivery.objects.get().state == "delivered"


def test_customers_see_their_own_deliveries_with_attempts_and_the_next_one(
    receiver, new_endpoint, first_key, deliver, browser, wanda, walt
):
    receiver.answer = Answer(503, body=b"busy")
    endpoint, _ = new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))
    deliver()
    url = f"/api/v2/webhook-endpoints/{endpoint.pk}"

    (shown,) = browser(wanda).get(f"{url}/deliveries?state=pending").json()["results"]

    assert shown == browser(wanda).get(shown["url"]).json()
    assert shown["event"]["type"] == "apikeys.disabled"
    assert shown["next_attempt_at"] > shown["attempts"][0]["at"]
    (attempt,) = shown["attempts"]
    assert (attempt["status"], attempt["response"], attempt["error"]) == (503, "busy", "")
    assert browser(wanda).get(url).json()["failing_since"]
    for hidden in (f"{url}/deliveries", shown["url"]):
        assert browser(walt).get(hidden).status_code == 404
    resent = browser(walt).post(f"{shown['url']}/resend", "{}", "application/json")
    assert resent.status_code == 404


def test_deliveries_are_sent_again_on_request(receiver, new_endpoint, first_key, deliver):
    endpoint, _ = new_endpoint(receiver.url(), **KEYS)
    since = timezone.now()
    completed(DisableApiKey(api_key_id=first_key.id))
    deliver()
    delivery = WebhookDelivery.objects.get()

    completed(ResendDelivery(endpoint_id=endpoint.pk, event_id=delivery.event_id))
    deliver()
    WebhookDelivery.objects.update(state="failed")
    completed(EnableApiKey(api_key_id=first_key.id))
    completed(ResendSince(endpoint_id=endpoint.pk, since=since))
    deliver()

    types = [json.loads(each.body)["type"] for each in receiver.received]
    assert sorted(types) == [*["apikeys.disabled"] * 3, "apikeys.enabled"]
    resent = EventRecord.objects.get(message_type="webhooks.resent_since")
    assert resent.data["deliveries"] == 2


def test_people_who_manage_a_disabled_endpoint_are_notified(
    receiver, new_endpoint, first_key, wanda, walt, mailoutbox
):
    User.objects.filter(pk__in=[wanda.pk, walt.pk]).update(
        email=Concat("username", Value("@example.com"))
    )
    receiver.answer = Answer(410)
    endpoint, _ = new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))

    react()

    (message,) = mailoutbox
    assert message.to == ["wanda@example.com"]
    assert receiver.url() in message.body
    assert "410 (Gone)" in message.body
    assert f"/api/v2/webhook-endpoints/{endpoint.pk}/resend" in message.body


def test_too_many_deliveries_at_once_are_refused(monkeypatch, new_endpoint, first_key):
    monkeypatch.setattr(resending, "MOST", 0)
    endpoint, _ = new_endpoint(**KEYS)
    since = timezone.now()
    completed(DisableApiKey(api_key_id=first_key.id))

    with pytest.raises(TooManyDeliveries):
        completed(ResendSince(endpoint_id=endpoint.pk, since=since))
    assert not WebhookDelivery.objects.exists()


def test_old_deliveries_are_deleted_with_their_attempts(receiver, new_endpoint, first_key, deliver):
    new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))
    deliver()
    clean()
    assert WebhookAttempt.objects.exists()

    WebhookDelivery.objects.update(settled_at=timezone.now() - timedelta(days=31))
    clean()

    assert not WebhookAttempt.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_old_deliveries_are_deleted_while_an_endpoint_does_not_respond(
    receiver, new_endpoint, first_key, deliver
):
    new_endpoint(receiver.url(), **KEYS)
    completed(DisableApiKey(api_key_id=first_key.id))
    deliver()
    WebhookDelivery.objects.update(settled_at=timezone.now() - timedelta(days=31))
    receiver.held["/in"] = is_over = threading.Event()
    completed(EnableApiKey(api_key_id=first_key.id))
    fan_out(EventRecord.objects.latest("position").id)

    running = Sender()
    running.turn()

    assert WebhookDelivery.objects.get().state == "pending"
    is_over.set()
    while running.turn():
        pass
    assert WebhookDelivery.objects.get().state == "delivered"


def test_an_internal_error_is_a_failed_attempt_and_affects_no_other_delivery(
    receiver, new_endpoint, first_key, deliver
):
    broken, _ = new_endpoint(**KEYS)
    new_endpoint(receiver.url(), **KEYS)
    # No command stores such a URL.
    with outside_command("To test a malformed row"):
        WebhookEndpoint.objects.filter(pk=broken.pk).update(destination="https://[broken/")
    completed(DisableApiKey(api_key_id=first_key.id))

    deliver()

    assert len(receiver.received) == 1
    attempts = {each.delivery.endpoint_id: each for each in WebhookAttempt.objects.all()}
    failed = attempts.pop(broken.pk)
    assert failed.error == "The delivery could not be sent because of an internal error."
    assert (failed.delivery.state, failed.delivery.step) == ("pending", 1)
    assert [each.delivery.state for each in attempts.values()] == ["delivered"]
