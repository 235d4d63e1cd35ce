"""What happened to a request, from the log: asked for, voted on, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from approvals.decisions.break_glass_commands import BreakGlass
from approvals.decisions.commands import (
    Approve,
    Deny,
    ExpireRequest,
    Retry,
    TakeBack,
    TightenRequest,
    Withdraw,
)
from approvals.decisions.evidence import records_of
from approvals.models import ApprovalRequest
from approvals.pages import links
from audit.actors.actors import Actor
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
    Approve.message_type: "Approved",
    Deny.message_type: "Denied",
    TakeBack.message_type: "Took back the vote",
    Withdraw.message_type: "Withdrawn",
    Retry.message_type: "Retried",
    TightenRequest.message_type: "Tightened",
    ExpireRequest.message_type: "Expired",
    BreakGlass.message_type: "Break-glass used",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened, or that somebody tried."""

    at: datetime
    words: str
    actor: str
    actor_url: str
    channel: str
    reason: str
    status: str
    error: str
    url: str


def timeline(request: ApprovalRequest, *, actor: Actor) -> list[Step]:
    """List the attempts at what a request asks for, and the commands about it, oldest first."""
    records = records_of(request)[:_MOST]
    received_at: dict[UUID | None, datetime] = {
        record.command_id: record.received_at for record in records
    }

    def moment(record: CommandRecord) -> tuple[datetime, bool]:
        """Put what a command brought about behind it, though the log has it before."""
        is_brought_about = record.causation_id in received_at
        cause_at = received_at.get(record.causation_id, record.received_at)
        return max(record.received_at, cause_at), is_brought_about

    return [
        _step(record, request, at=moment(record)[0], actor=actor)
        for record in sorted(records, key=moment)
    ]


def _step(record: CommandRecord, request: ApprovalRequest, *, at: datetime, actor: Actor) -> Step:
    return Step(
        at=at,
        words=_words(record, request),
        actor=one_line(record.actor_label, longest=_LONGEST),
        actor_url=links.actor_url(record.actor_kind, record.actor_id, actor=actor),
        channel=record.channel,
        reason=many_lines(record.reason),
        status=record.status,
        error=many_lines(record.error_message),
        url=links.command_url(record.command_id, actor=actor),
    )


def _words(record: CommandRecord, request: ApprovalRequest) -> str:
    if record.command_id == request.command_id:
        return _OF_ATTEMPT[Status(record.status)]
    if record.status == Status.SUCCEEDED:
        return _DID.get(record.message_type, words(record.message_type))
    return f"{words(record.message_type)}: {status_words(record.status)}"
