"""Bodies of deliveries: CloudEvents 1.0 in JSON, with the attributes that exports have."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import reverse

from audit.installation.settings import countersign
from audit.subjects import types
from audit.webhooks.models import Payload

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


class SentEvent(NamedTuple):
    """The columns of an event that a delivery has."""

    id: UUID
    message_type: str
    schema_version: int
    data: dict[str, Any]
    subject_type: str
    subject_id: str
    number: int
    occurred_at: datetime
    command_id: UUID
    attempt: int
    correlation_id: UUID
    causation_id: UUID | None
    tenant: str


def body(event: SentEvent, *, payload: str) -> bytes:
    """Return the body of a delivery: the same at each attempt.

    With a thin payload, the data is only the URL of the subject in the API, or null.
    """
    has_subject = bool(event.subject_type)
    attributes = {
        "specversion": "1.0",
        "id": str(event.id),
        "type": event.message_type,
        "source": source(),
        "subject": f"{event.subject_type}:{event.subject_id}" if has_subject else None,
        "time": _in_utc(event.occurred_at),
        "sequence": str(event.number),
        "schemaversion": event.schema_version,
        "commandid": str(event.command_id),
        "attempt": event.attempt,
        "correlationid": str(event.correlation_id),
        "causationid": str(event.causation_id) if event.causation_id else None,
        "tenant": event.tenant or None,
        "datacontenttype": "application/json",
    }
    present = {name: value for name, value in attributes.items() if value is not None}
    data = event.data if payload == Payload.FULL else {"url": _url_of(event)}
    return json.dumps({**present, "data": data}, separators=(",", ":")).encode()


def source() -> str:
    """Return the URL that names this service as the source of events."""
    return countersign().base_url + reverse("countersign:search")


def _in_utc(time: datetime) -> str:
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}+00:00"


def _url_of(event: SentEvent) -> str | None:
    found = types.subject_type(event.subject_type)
    url = found.url(event.subject_id) if found else None
    return countersign().base_url + url if url else None
