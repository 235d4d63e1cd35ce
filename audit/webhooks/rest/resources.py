"""JSON shapes of webhook endpoints and deliveries. No secret is ever part of an endpoint."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, TypedDict
from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from audit.messages.classes import Subject
from audit.models.records import EventRecord
from audit.rest.references import (
    ActorReference,
    Address,
    Reference,
    Uuid,
    Version,
    address,
    one_of,
    reference,
    resource,
)
from audit.rest.resources import PendingApproval, pending_approvals
from audit.subjects.streams import with_numbers
from audit.webhooks.deliveries import DeliveryState, WebhookAttempt, WebhookDelivery
from audit.webhooks.models import Cause, EndpointState, Payload, WebhookEndpoint

_SUBJECT = "webhook-endpoint"


class EndpointResource(TypedDict):
    """A webhook endpoint. No field has its secret, which is shown only once."""

    id: Uuid
    url: Address
    version: Version
    tenant: Annotated[str, "The customer whose events it gets; * for all."]
    destination: Annotated[str, "The URL that events are sent to."]
    description: str
    event_types: list[str]
    payload: Annotated[str, one_of(Payload.values)]
    state: Annotated[str, one_of(EndpointState.values)]
    disabled_because: Annotated[str, one_of(["", *Cause.values])]
    former_secret_ends_at: Annotated[datetime | None, "Until then, the old secret also signs."]
    pick_up_by: Annotated[ActorReference | None, "The actor who may pick up the next secret."]
    failing_since: Annotated[datetime | None, "Since then, it has accepted nothing."]
    created_at: datetime
    pending_approvals: list[PendingApproval]


class EndpointWithSecret(EndpointResource):
    """A webhook endpoint and its new secret, once; a repeated request gets a note instead."""

    secret: str | None
    secret_note: str | None


class AttemptOfDelivery(TypedDict):
    """One attempt at a delivery: the response of the endpoint, or the error."""

    at: datetime
    duration_ms: int
    status: int | None
    error: str
    response: Annotated[str, "The beginning of the body of the response."]


class SentEvent(TypedDict):
    """The event that is sent."""

    id: Uuid
    type: str
    subject: Reference | None
    number: int
    occurred_at: datetime


class DeliveryResource(TypedDict):
    """The delivery of an event to a webhook endpoint, with its attempts, oldest first."""

    event: Annotated[SentEvent | None, "The event that is sent; null: there is no such event."]
    url: Address
    state: Annotated[str, one_of(DeliveryState.values)]
    created_at: datetime
    next_attempt_at: Annotated[datetime | None, "The time of the next attempt; null: none follows."]
    settled_at: datetime | None
    attempts: list[AttemptOfDelivery]


def endpoints(rows: Iterable[WebhookEndpoint]) -> list[EndpointResource]:
    """Return the JSON of endpoints, with what waits on them."""
    ids = [each.pk for each in rows]
    found = WebhookEndpoint.objects.filter(pk__in=ids).select_related("outage")
    by_id = {each.pk: each for each in with_numbers(found)}
    waiting = pending_approvals(Subject(_SUBJECT, str(key)) for key in ids)
    return [
        _endpoint(by_id[key], waiting=waiting[Subject(_SUBJECT, str(key))])
        for key in ids
        if key in by_id
    ]


def deliveries(rows: Sequence[WebhookDelivery]) -> list[DeliveryResource]:
    """Return the JSON of deliveries, with their events and attempts."""
    events = EventRecord.objects.in_bulk([each.event_id for each in rows], field_name="id")
    return [_delivery(each, events.get(each.event_id)) for each in rows]


def _endpoint(row: WebhookEndpoint, *, waiting: list[PendingApproval]) -> EndpointResource:
    former, outage = row.former_ends_at, getattr(row, "outage", None)
    by: ActorReference = {
        "kind": row.pick_up_kind,
        "id": row.pick_up_id,
        "label": row.pick_up_label,
    }
    return resource(
        EndpointResource,
        row,
        id=str(row.pk),
        url=address("countersign:webhook-endpoint", "endpoint_id", row.pk),
        version=row.number or 0,  # type: ignore[attr-defined]  # with_numbers adds it
        event_types=list(row.event_types),
        state=row.state.value,
        former_secret_ends_at=former if former and former > timezone.now() else None,
        pick_up_by=by if row.pick_up_kind else None,
        failing_since=outage.since if outage else None,
        pending_approvals=waiting,
    )


def _delivery(row: WebhookDelivery, event: EventRecord | None) -> DeliveryResource:
    return resource(
        DeliveryResource,
        row,
        event=_event(event) if event else None,
        url=_url_of_delivery(row.endpoint_id, row.event_id),
        attempts=[_attempt(each) for each in sorted(row.attempts.all(), key=lambda it: it.pk)],
    )


def _event(event: EventRecord) -> SentEvent:
    return resource(
        SentEvent,
        event,
        id=str(event.id),
        type=event.message_type,
        subject=reference(event.subject_type, event.subject_id),
    )


def _url_of_delivery(endpoint_id: UUID, event_id: UUID) -> str:
    return reverse("countersign:webhook-delivery", args=(endpoint_id, event_id))


def _attempt(row: WebhookAttempt) -> AttemptOfDelivery:
    return resource(AttemptOfDelivery, row)
