"""Comments on a request, and reminders of its approvers."""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, EventRecord, Status

#: The message type of the command `approvals.decisions.commands.Comment`.
COMMENT = "approvals.comment"
#: The message type of the event `approvals.decisions.events.ApproversReminded`.
REMINDED = "approvals.reminded"
# At most one a day for each request.
_EVERY = timedelta(days=1)
# Half of a shorter time is too short for a reminder to help.
_SHORTEST = timedelta(hours=1)
# Computed from the pending requests themselves: there is no row for any reminder.
_DUE = """
    SELECT at, id, percent FROM (
        SELECT requested_at + (approve_by - requested_at) * percent / 100 AS at, id, percent
        FROM approvals_approvalrequest, unnest(ARRAY[50, 90]) AS percent
        WHERE state = 'pending' AND approve_by > %(until)s
            AND approve_by - requested_at >= %(shortest)s AND approve_by < '9998-01-01'
    ) AS reminder
    WHERE (at, id) > (%(after)s::timestamptz, %(after_id)s::uuid) AND at <= %(until)s
    ORDER BY at, id LIMIT %(limit)s
"""


class DueReminder(NamedTuple):
    """A request, and the time at which a share of its time to decide had passed."""

    at: datetime
    request_id: UUID
    percent: Literal[50, 90]


def comments_on(request: ApprovalRequest) -> list[CommandRecord]:
    """Return the records of the comments on a request, oldest first; the reason is the comment."""
    found = CommandRecord.objects.filter(
        subject_type="approval-request",
        subject_id=str(request.pk),
        message_type=COMMENT,
        status=Status.SUCCEEDED,
    )
    return list(found.order_by("position"))


def next_reminder_at(request: ApprovalRequest) -> datetime | None:
    """Return the time from which the approvers may be reminded again; None if that is now."""
    reminders = EventRecord.objects.filter(
        subject_type="approval-request", subject_id=str(request.pk), message_type=REMINDED
    )
    last = reminders.order_by("-number").first()
    if last is None or last.occurred_at + _EVERY <= timezone.now():
        return None
    return last.occurred_at + _EVERY


def due_reminders(
    after: tuple[datetime, UUID], *, until: datetime, limit: int
) -> list[DueReminder]:
    """Return the reminders of deadlines that are due up to a time, by time and id of the request.

    ``after`` are those of the last one that was sent. Each request has two, at 50 and at 90 percent
    of its time to decide.
    """
    values: dict[str, Any] = {
        "after": after[0],
        "after_id": after[1],
        "until": until,
        "limit": limit,
        "shortest": _SHORTEST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DUE, values)
        return [DueReminder(*row) for row in cursor.fetchall()]
