"""A webhook endpoint and a delivery, for tests of other things."""

from audit.models.records import EventRecord
from audit.webhooks.commands import CreateWebhookEndpoint
from audit.webhooks.deliveries import WebhookAttempt, WebhookDelivery
from audit.webhooks.models import WebhookEndpoint, WebhookOutage
from tests.conftest import completed


def create_endpoint(customer, *, destination="https://hooks.example/in", **fields):
    """Create an endpoint as the system, which gets no event unless ``event_types`` says so."""
    fields = {"event_types": ("none",), **fields}
    tenant = str(customer.pk)
    return completed(CreateWebhookEndpoint(tenant=tenant, destination=destination, **fields))


def create_delivery(endpoint: WebhookEndpoint, *, error=""):
    """Insert a delivery of the creation of the endpoint, with one failed attempt."""
    event = EventRecord.objects.get(subject_id=str(endpoint.pk), number=1)
    delivery = WebhookDelivery.objects.create(endpoint=endpoint, event_id=event.id)
    at = event.occurred_at
    WebhookAttempt.objects.create(delivery=delivery, at=at, duration_ms=7, error=error)
    WebhookOutage.objects.create(endpoint=endpoint, since=at)
    return delivery
