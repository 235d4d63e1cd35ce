"""Deliveries that are due, leased to one sender at a time.

A sender that is killed leaves its leases behind; once they have ended, another one sends again,
under the same id. The row of the endpoint is locked while its deliveries are counted and leased,
so that no number of senders has more requests in flight than an endpoint may get.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from audit.log.cloudevents import EventColumns

#: Longer than an attempt takes, with the time that the DNS may take.
LEASE_SECONDS = 60
MOST_IN_FLIGHT = 2

_DUE = """delivery.state = 'pending' AND delivery.next_attempt_at <= now()
    AND (delivery.leased_until IS NULL OR delivery.leased_until <= now())"""
_ROOM = """(%s - (SELECT count(*) FROM audit_webhookdelivery AS taken
    WHERE taken.endpoint_id = {0} AND taken.leased_until > now()))"""
_ENDPOINTS = f"""
    SELECT endpoint.id FROM audit_webhookendpoint AS endpoint CROSS JOIN LATERAL (
        SELECT next_attempt_at FROM audit_webhookdelivery AS delivery
        WHERE delivery.endpoint_id = endpoint.id AND {_DUE}
        ORDER BY next_attempt_at, id LIMIT 1
    ) AS oldest
    WHERE endpoint.is_enabled AND endpoint.secret IS NOT NULL AND %s = EXISTS (
        SELECT FROM audit_webhookoutage AS outage WHERE outage.endpoint_id = endpoint.id
    ) AND {_ROOM.format("endpoint.id")} > 0
    ORDER BY oldest.next_attempt_at LIMIT %s
    FOR NO KEY UPDATE OF endpoint SKIP LOCKED
"""  # noqa: S608  # of our own
_LEASE = f"""
    WITH due AS MATERIALIZED (
        SELECT found.id FROM (
            SELECT endpoint_id, {_ROOM.format("locked.endpoint_id")} AS room
            FROM unnest(%s::uuid[]) AS locked (endpoint_id)
        ) AS wanted CROSS JOIN LATERAL (
            SELECT id FROM audit_webhookdelivery AS delivery
            WHERE delivery.endpoint_id = wanted.endpoint_id AND {_DUE}
            ORDER BY next_attempt_at, id LIMIT greatest(0, wanted.room)
            FOR UPDATE SKIP LOCKED
        ) AS found LIMIT %s
    )
    UPDATE audit_webhookdelivery AS delivery
    SET leased_until = now() + make_interval(secs => {LEASE_SECONDS})
    FROM due, audit_webhookendpoint AS endpoint, audit_eventrecord AS event
    WHERE delivery.id = due.id AND endpoint.id = delivery.endpoint_id
        AND event.id = delivery.event_id
    RETURNING delivery.id, delivery.endpoint_id, delivery.leased_until, delivery.step,
        endpoint.destination, endpoint.payload, endpoint.secret,
        CASE WHEN endpoint.former_ends_at > now() THEN endpoint.former_secret END,
        event.id, event.message_type, event.schema_version, event.data::text, event.subject_type,
        event.subject_id, event.number, event.occurred_at, event.command_id, event.attempt,
        event.correlation_id, event.causation_id, event.tenant
"""  # noqa: S608  # of our own
_OWN_COLUMNS = 8
_DATA = EventColumns._fields.index("data")


class Lease(NamedTuple):
    """A delivery that this sender may attempt until ``until``, with all that an attempt needs.

    ``secrets`` are encrypted, the current one first.
    """

    delivery_id: int
    endpoint_id: UUID
    until: datetime
    step: int
    destination: str
    payload: str
    secrets: tuple[bytes, ...]
    event: EventColumns


def lease(*, most: int, are_failing: bool) -> list[Lease]:
    """Lease deliveries that are due, the longest overdue first.

    Those of endpoints that have accepted nothing lately are leased separately, one at a time for
    each endpoint.
    """
    if most <= 0:
        return []
    in_flight = 1 if are_failing else MOST_IN_FLIGHT
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ENDPOINTS, [are_failing, in_flight, most])
        locked = [endpoint_id for (endpoint_id,) in cursor.fetchall()]
        if not locked:
            return []
        # A statement of its own, to count what others have leased before they gave up the lock.
        cursor.execute(_LEASE, [in_flight, locked, most])
        return [_lease(row) for row in cursor.fetchall()]


def _lease(row: Sequence[Any]) -> Lease:
    own, event = row[:_OWN_COLUMNS], list(row[_OWN_COLUMNS:])
    event[_DATA] = json.loads(event[_DATA])
    delivery_id, endpoint_id, until, step, destination, payload, *secrets = own
    return Lease(
        delivery_id=delivery_id,
        endpoint_id=endpoint_id,
        until=until,
        step=step,
        destination=destination,
        payload=payload,
        secrets=tuple(bytes(each) for each in secrets if each is not None),
        event=EventColumns(*event),
    )
