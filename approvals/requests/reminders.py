"""Reminders of the approvers: at most one a day for each request."""

from datetime import datetime, timedelta

from django.utils import timezone

from approvals.models import ApprovalRequest
from audit.models.records import EventRecord

#: The message type of the event `approvals.decisions.events.ApproversReminded`.
REMINDED = "approvals.reminded"
_EVERY = timedelta(days=1)


def next_reminder_at(request: ApprovalRequest) -> datetime | None:
    """Return the time from which the approvers may be reminded again; None if that is now."""
    reminders = EventRecord.objects.filter(
        subject_type="approval-request", subject_id=str(request.pk), message_type=REMINDED
    )
    last = reminders.order_by("-number").first()
    if last is None or last.occurred_at + _EVERY <= timezone.now():
        return None
    return last.occurred_at + _EVERY
