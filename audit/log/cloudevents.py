"""CloudEvents 1.0 in JSON, with the attributes that exports have."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import reverse

from audit.installation.settings import countersign
from audit.models.records import EventRecord

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


class EventColumns(NamedTuple):
    """The columns of an event that a CloudEvent has."""

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


def cloud_event(event: EventColumns | EventRecord, *, data: Any) -> dict[str, Any]:
    """Return a CloudEvent with this data, as JSON values, without empty attributes."""
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
    return {name: value for name, value in attributes.items() if value is not None} | {"data": data}


def source() -> str:
    """Return the URL that names this service as the source of events."""
    return countersign().base_url + reverse("countersign:search")


def encoded(event: Mapping[str, Any]) -> bytes:
    """Return the JSON of a CloudEvent."""
    return json.dumps(event, separators=(",", ":")).encode()


def _in_utc(time: datetime) -> str:
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}+00:00"
