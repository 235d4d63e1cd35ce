"""Comments on a request and reminders of its approvers, as the log has them."""

from datetime import datetime, timedelta

from django.utils import timezone

from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, EventRecord, Status

#: The message type of the command `approvals.decisions.commands.Comment`.
COMMENT = "approvals.comment"
#: The message type of the event `approvals.decisions.events.ApproversReminded`.
REMINDED = "approvals.reminded"
# At most one a day for each request.
_EVERY = timedelta(days=1)


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
