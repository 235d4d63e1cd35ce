"""Deliveries: an event as a subscription gets it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from audit.models.records import EventRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One event on its way to one subscription, and which attempt this is, from 1.

    ``id`` is the id of the event: the same at each attempt, so it can serve as an idempotency key.
    """

    id: UUID
    subject_type: str
    subject_id: str
    number: int
    tenant: str
    occurred_at: datetime
    command_id: UUID
    correlation_id: UUID
    attempt: int
    record: EventRecord = field(repr=False)


def delivery_of(record: EventRecord, *, attempt: int) -> Delivery:
    """Return the delivery of a stored event."""
    return Delivery(
        id=record.id,
        subject_type=record.subject_type,
        subject_id=record.subject_id,
        number=record.number,
        tenant=record.tenant,
        occurred_at=record.occurred_at,
        command_id=record.command_id,
        correlation_id=record.correlation_id,
        attempt=attempt,
        record=record,
    )
