"""Results of attempts: recorded, and what follows from each.

The attempts of a delivery follow a schedule, with a jitter of 20 %. A Retry-After of the
endpoint can make a pause longer, but not shorter.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal, NamedTuple
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

_ATTEMPT = """
    WITH attempt AS (
        INSERT INTO audit_webhookattempt (delivery_id, at, duration_ms, status, error, response)
        VALUES (%(delivery)s, %(at)s, %(duration_ms)s, %(status)s, %(error)s, %(response)s)
    ), settled AS (
        UPDATE audit_webhookdelivery SET leased_until = NULL, step = step + 1, state = %(state)s,
            next_attempt_at = now() + make_interval(secs => %(pause)s::float8),
            settled_at = CASE WHEN %(state)s <> 'pending' THEN now() END
        WHERE id = %(delivery)s AND leased_until = %(until)s
    )
"""
_SUCCESS = _ATTEMPT + "DELETE FROM audit_webhookoutage WHERE endpoint_id = %(endpoint)s"  # noqa: S608  # of our own
_FAILURE = f"""{_ATTEMPT}
    INSERT INTO audit_webhookoutage (endpoint_id, since) VALUES (%(endpoint)s, %(at)s)
    ON CONFLICT (endpoint_id) DO UPDATE SET since = audit_webhookoutage.since
    RETURNING now() - since
"""  # noqa: S608  # of our own


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

    If a lease has ended, or its delivery was begun again, only the attempt is recorded.
    """
    ordered = sorted(attempts, key=lambda each: (each[0].endpoint_id, each[0].delivery_id))
    # One COMMIT for all: each waits for the disk.
    with transaction.atomic():
        _lock(sorted({lease.endpoint_id for lease, _ in ordered}))
        outages = [_write(*each) for each in ordered]
    for (lease, result), outage in zip(ordered, outages, strict=True):
        if result.status == HTTPStatus.GONE:
            _disable(lease, "gone")
        elif outage is not None and outage >= LONGEST_OUTAGE:
            _disable(lease, "failing")


def _lock(endpoint_ids: list[UUID]) -> None:
    """Lock endpoints before their deliveries, as commands do: otherwise they could deadlock."""
    rows = WebhookEndpoint.objects.filter(pk__in=endpoint_ids).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))


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


def _write(lease: Lease, result: Result) -> timedelta | None:
    """Write an attempt; return how long the endpoint has accepted nothing, after a failure."""
    pause = None if result.is_success else _pause(lease.step, result)
    state = "delivered" if result.is_success else "failed" if pause is None else "pending"
    with connection.cursor() as cursor:
        cursor.execute(
            _SUCCESS if result.is_success else _FAILURE,
            {
                "delivery": lease.delivery_id,
                "endpoint": lease.endpoint_id,
                "until": lease.until,
                "state": state,
                "pause": pause,
                "at": result.at,
                "duration_ms": result.duration_ms,
                "status": result.status,
                "error": result.error,
                "response": result.response,
            },
        )
        outage: timedelta | None = None if result.is_success else cursor.fetchone()[0]
    return outage


def _disable(lease: Lease, cause: Literal["gone", "failing"]) -> None:
    command = DisableFailingWebhookEndpoint(endpoint_id=lease.endpoint_id, cause=cause)
    try:
        dispatch(command, context=Context(actor=SYSTEM, channel="webhooks"))
    except CommandError as error:
        # A policy may forbid it, or the endpoint was deleted meanwhile.
        _logger.warning("webhook_not_disabled", endpoint_id=str(lease.endpoint_id), code=error.code)
