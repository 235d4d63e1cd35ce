"""The pages of endpoints and deliveries: who sees which, and sending again."""

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME

from audit.models.records import CommandRecord
from audit.webhooks.deliveries import WebhookDelivery
from tests.audit.webhooks.conftest import PERMISSIONS
from tests.conftest import member
from tests.webhooks import create_delivery, create_endpoint

ENDPOINTS = "/admin/audit/webhookendpoint/"
DELIVERIES = "/admin/audit/webhookdelivery/"


def test_an_auditor_sees_deliveries_and_sends_them_again(acme, globex, browser):
    own = create_delivery(create_endpoint(acme), error="The connection failed: reset.")
    other = create_delivery(create_endpoint(globex, destination="https://globex.example/"))
    WebhookDelivery.objects.update(state="failed", next_attempt_at=None)
    client = browser(member("ada", acme, permissions=PERMISSIONS, is_staff=True))

    listed = client.get(DELIVERIES).content.decode()
    shown = client.get(f"{DELIVERIES}{own.pk}/change/").content.decode()
    selected = {"action": "send_again", ACTION_CHECKBOX_NAME: [own.pk, other.pk]}
    client.post(DELIVERIES, selected)

    assert "webhooks.endpoint_created" in listed
    assert "The connection failed: reset." in listed
    assert "globex.example" not in listed
    assert "The connection failed: reset." in shown
    assert client.get(f"{DELIVERIES}{other.pk}/change/").status_code == 404
    states = dict(WebhookDelivery.objects.values_list("pk", "state"))
    assert states == {own.pk: "pending", other.pk: "failed"}
    assert CommandRecord.objects.get(message_type="webhooks.resend").channel == "admin"


def test_the_pages_show_no_secret_and_need_the_permission(acme, browser, iris):
    endpoint = create_endpoint(acme)
    delivery = create_delivery(endpoint)
    client = browser(member("ada", acme, permissions=("view_webhookendpoint",), is_staff=True))

    listed = client.get(ENDPOINTS).content.decode()
    shown = client.get(f"{ENDPOINTS}{endpoint.pk}/change/").content.decode()

    assert "https://hooks.example/in" in listed
    for page in (listed, shown):
        assert "whsec_" not in page
        assert bytes(endpoint.secret).hex() not in page
    client.post(DELIVERIES, {"action": "send_again", ACTION_CHECKBOX_NAME: [delivery.pk]})
    assert not CommandRecord.objects.filter(message_type="webhooks.resend").exists()
    for page in (ENDPOINTS, DELIVERIES, f"{DELIVERIES}{delivery.pk}/change/"):
        assert browser(iris).get(page).status_code == 403
