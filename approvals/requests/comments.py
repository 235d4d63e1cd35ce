"""Comments on a request, as the log has them."""

from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, Status

#: The message type of the command `approvals.decisions.commands.Comment`.
COMMENT = "approvals.comment"


def comments_on(request: ApprovalRequest) -> list[CommandRecord]:
    """Return the records of the comments on a request, oldest first; the reason is the comment."""
    found = CommandRecord.objects.filter(
        subject_type="approval-request",
        subject_id=str(request.pk),
        message_type=COMMENT,
        status=Status.SUCCEEDED,
    )
    return list(found.order_by("position"))
