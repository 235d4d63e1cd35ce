"""The timeline of a request, from the log: request, votes and outcome."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from approvals.decisions import commands
from approvals.decisions.evidence import records_of
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, Status
from audit.pages.labels import status_words, words
from audit.pages.safe_text import many_lines, one_line

_MOST = 100
_LONGEST = 160
_OF_ATTEMPT = {
    Status.POSTPONED: "Requested",
    Status.SUCCEEDED: "Executed",
    Status.REFUSED: "Refused on execution",
    Status.FAILED: "Failed on execution",
    Status.CANCELLED: "Cancelled",
}
_DID = {
    commands.Approve.message_type: "Approved",
    commands.Deny.message_type: "Denied",
    commands.TakeBack.message_type: "Took back the vote",
    commands.Withdraw.message_type: "Withdrawn",
    commands.Retry.message_type: "Retried",
    commands.TightenRequest.message_type: "Tightened",
    commands.ExpireRequest.message_type: "Expired",
    commands.BreakGlass.message_type: "Break-glass used",
}


class Step(NamedTuple):
    """A command on the request, or an attempt at the requested one, with its text made safe."""

    at: datetime
    record: CommandRecord
    label: str
    actor: str
    reason: str
    error: str


def timeline(request: ApprovalRequest) -> list[Step]:
    """Return the attempts at the requested command, and the commands on it, oldest first."""
    records = records_of(request)[:_MOST]
    received_at: dict[UUID | None, datetime] = {
        record.command_id: record.received_at for record in records
    }

    def order(record: CommandRecord) -> tuple[datetime, bool]:
        """Return the time of a record, and True if it has a cause, which the log has later."""
        cause_at = received_at.get(record.causation_id, record.received_at)
        return max(record.received_at, cause_at), record.causation_id in received_at

    return [
        Step(
            at=order(record)[0],
            record=record,
            label=_label(record, request),
            actor=one_line(record.actor_label, longest=_LONGEST),
            reason=many_lines(record.reason),
            error=many_lines(record.error_message),
        )
        for record in sorted(records, key=order)
    ]


def _label(record: CommandRecord, request: ApprovalRequest) -> str:
    if record.command_id == request.command_id:
        return _OF_ATTEMPT[Status(record.status)]
    if record.status == Status.SUCCEEDED:
        return _DID.get(record.message_type, words(record.message_type))
    return f"{words(record.message_type)}: {status_words(record.status)}"
