"""Deliveries that are due once more: one of them, or all since a time that were not accepted."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from audit.messages.exceptions import NotFound
from audit.webhooks import refusals
from audit.webhooks.deliveries import DeliveryState, WebhookDelivery
from audit.webhooks.fan_out import MATCHES
from audit.webhooks.models import WebhookEndpoint

LONGEST = timedelta(days=14)
MOST = 10_000
# What was pending stays on its schedule, so that a sender may have it in hand.
_SINCE = f"""
    INSERT INTO audit_webhookdelivery (endpoint_id, event_id)
    SELECT endpoint.id, event.id
    FROM audit_webhookendpoint AS endpoint JOIN audit_eventrecord AS event ON {MATCHES}
    WHERE endpoint.id = %s AND event.occurred_at >= %s
    ORDER BY event.position LIMIT {MOST + 1}
    ON CONFLICT (endpoint_id, event_id) DO UPDATE
    SET state = 'pending', step = 0, next_attempt_at = now(), leased_until = NULL,
        settled_at = NULL
    WHERE audit_webhookdelivery.state = 'failed'
"""  # noqa: S608  # of our own


def delivery_of(endpoint: WebhookEndpoint, event_id: UUID) -> WebhookDelivery:
    """Return the delivery of an event to an endpoint.

    :raises NotFound: if there is none.
    """
    found = WebhookDelivery.objects.filter(endpoint=endpoint, event_id=event_id).first()
    if found is None:
        message = "There is no delivery of this event to this endpoint."
        raise NotFound(message)
    return found


def resend(endpoint: WebhookEndpoint, event_id: UUID) -> None:
    """Begin the schedule of a delivery again, now, whatever became of it.

    :raises NotFound: if the event was never sent to the endpoint.
    """
    delivery = delivery_of(endpoint, event_id)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(
        state=DeliveryState.PENDING,
        step=0,
        next_attempt_at=Now(),
        leased_until=None,
        settled_at=None,
    )


def resend_since(endpoint: WebhookEndpoint, since: datetime) -> int:
    """Send the events since a time that were not accepted; return how many.

    Those are the failed ones, and those for which there is no delivery, because the endpoint was
    disabled or its event types were others.

    :raises TooManyDeliveries: if there are more than `MOST`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [endpoint.pk, since])
        number: int = cursor.rowcount
    if number > MOST:
        message = f"More than {MOST} deliveries would be sent again. Choose a later time."
        raise refusals.TooManyDeliveries(message)
    return number
