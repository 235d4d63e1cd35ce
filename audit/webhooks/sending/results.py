"""Results of attempts: recorded, and what follows from each.

The attempts of a delivery follow a schedule, with a jitter of 20 %. A Retry-After of the
endpoint can make a pause longer, but not shorter.
"""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal, NamedTuple
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone

from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from audit.webhooks.commands import DisableFailingWebhookEndpoint
from audit.webhooks.models import WebhookEndpoint
from audit.webhooks.sending.leases import Lease

#: Seconds before each attempt, from the event or from the attempt before.
SCHEDULE = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
JITTER = 0.2
LONGEST_RETRY_AFTER = 3_600
#: How long an endpoint may accept nothing before it is disabled.
LONGEST_OUTAGE = timedelta(days=5)
_ASK_FOR_TIME = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_logger = structlog.get_logger(__name__)

_WRITE = """
    WITH result AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%s) AS result (
            delivery bigint, endpoint uuid, until timestamptz, state text, pause float8,
            at timestamptz, duration_ms int, status int, error text, response text
        )
    ), attempt AS (
        INSERT INTO audit_webhookattempt (delivery_id, at, duration_ms, status, error, response)
        SELECT delivery, at, duration_ms, status, error, response FROM result
    ), settled AS (
        UPDATE audit_webhookdelivery AS row SET leased_until = NULL, step = step + 1,
            state = result.state, next_attempt_at = now() + make_interval(secs => pause),
            settled_at = CASE WHEN result.state <> 'pending' THEN now() END
        FROM result WHERE row.id = delivery AND leased_until = until
    ), of_endpoint AS (
        SELECT endpoint, min(at) AS at, bool_or(state = 'delivered') AS is_alive
        FROM result GROUP BY endpoint
    ), ended AS (
        DELETE FROM audit_webhookoutage USING of_endpoint WHERE endpoint_id = endpoint AND is_alive
    )
    INSERT INTO audit_webhookoutage AS outage (endpoint_id, since)
    SELECT endpoint, at FROM of_endpoint WHERE NOT is_alive
    ON CONFLICT (endpoint_id) DO UPDATE SET since = outage.since
    RETURNING endpoint_id, now() - since
"""


class Result(NamedTuple):
    """One attempt: the status of the response and its beginning, or an error."""

    at: datetime
    duration_ms: int
    status: int | None = None
    retry_after: str = ""
    error: str = ""
    response: str = ""

    @property
    def is_success(self) -> bool:
        """True if the endpoint has accepted the delivery."""
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus(300)


def record(attempts: Sequence[tuple[Lease, Result]]) -> None:
    """Record attempts, and disable endpoints that are gone or have failed for too long.

    If a lease has ended, or its delivery was begun again, only the attempt is recorded. An endpoint
    that has accepted one of its deliveries is not failing.
    """
    endpoint_ids = sorted({lease.endpoint_id for lease, _ in attempts})
    with transaction.atomic(), connection.cursor() as cursor:
        # As commands do, before the deliveries: otherwise they could deadlock.
        rows = WebhookEndpoint.objects.filter(pk__in=endpoint_ids).order_by("pk")
        list(rows.select_for_update(no_key=True).values_list("pk"))
        cursor.execute(_WRITE, [json.dumps([_row(*each) for each in attempts], default=str)])
        failing = [each for each, outage in cursor.fetchall() if outage >= LONGEST_OUTAGE]
    gone = {lease.endpoint_id for lease, result in attempts if result.status == HTTPStatus.GONE}
    for endpoint_id in endpoint_ids:
        if endpoint_id in gone:
            _disable(endpoint_id, "gone")
        elif endpoint_id in failing:
            _disable(endpoint_id, "failing")


def _row(lease: Lease, result: Result) -> dict[str, Any]:
    pause = None if result.is_success else _pause(lease.step, result)
    return {
        "delivery": lease.delivery_id,
        "endpoint": lease.endpoint_id,
        "until": lease.until,
        "state": "delivered" if result.is_success else "failed" if pause is None else "pending",
        "pause": pause,
        "at": result.at,
        "duration_ms": result.duration_ms,
        "status": result.status,
        "error": result.error,
        "response": result.response,
    }


def _pause(step: int, result: Result) -> float | None:
    """Return the seconds to the next attempt; None if there is none."""
    if step + 1 >= len(SCHEDULE) or result.status == HTTPStatus.GONE:
        return None
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # it need not be unpredictable
    seconds = SCHEDULE[step + 1] * jitter
    asked = _retry_after(result.retry_after) if result.status in _ASK_FOR_TIME else 0
    return max(seconds, min(asked, LONGEST_RETRY_AFTER))


def _retry_after(text: str) -> float:
    """Return the seconds of a Retry-After header, which has a number or a date (RFC 9110)."""
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    return (time.replace(tzinfo=time.tzinfo or UTC) - timezone.now()).total_seconds()


def _disable(endpoint_id: UUID, cause: Literal["gone", "failing"]) -> None:
    command = DisableFailingWebhookEndpoint(endpoint_id=endpoint_id, cause=cause)
    try:
        dispatch(command, context=Context(actor=SYSTEM, channel="webhooks"))
    except CommandError as error:
        # A policy may forbid it, or the endpoint was deleted meanwhile.
        _logger.warning("webhook_not_disabled", endpoint_id=str(endpoint_id), code=error.code)
