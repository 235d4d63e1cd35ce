"""The timeline of one request: the attempts at its command, and the commands on it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from approvals.decisions import commands
from approvals.decisions.evidence import records_of
from approvals.models import ApprovalRequest
from approvals.pages.request.endings import why_cancelled
from audit.log import standings
from audit.messages.exceptions import RolledBack
from audit.models.records import CommandRecord, Status
from audit.pages.labels import attempted, words
from audit.pages.safe_text import many_lines, one_line

_LONGEST = 160
_MOST_STEPS = 100
_OF_ATTEMPT = {
    Status.POSTPONED: "Requested",
    Status.SUCCEEDED: "Executed",
    Status.REFUSED: "Refused on execution",
    Status.FAILED: "Failed on execution",
}
_DID = {
    commands.Approve.message_type: "Approved",
    commands.Deny.message_type: "Denied",
    commands.RequestChanges.message_type: "Requested changes",
    commands.Comment.message_type: "Commented",
    commands.RemindApprovers.message_type: "Reminded the approvers",
    commands.TakeBack.message_type: "Took back the vote",
    commands.Withdraw.message_type: "Withdrawn",
    commands.Retry.message_type: "Retried",
    commands.ReleaseRequest.message_type: "Executed, as it had enough approvals again",
    # Of earlier versions.
    "approvals.tighten": "Replaced by a stricter request",
    commands.ExpireRequest.message_type: "Expired",
    commands.BreakGlass.message_type: "Break-glass used",
}
_VOTES = {each.message_type for each in (commands.Approve, commands.Deny, commands.RequestChanges)}


class Step(NamedTuple):
    """A command on the request, or an attempt at the requested one, with its text made safe.

    ``by`` is the record whose actor and channel are shown: of a cancelled attempt, that of the
    decision that ended the request.
    """

    at: datetime
    record: CommandRecord
    by: CommandRecord
    label: str
    actor: str
    reason: str
    error: str

    @property
    def role(self) -> str:
        """The word before the actor: an execution is not by its requester, but acts as them.

        Empty if the label says who ended the request, or that no one did, and for what was undone.
        """
        if self.record.status == Status.CANCELLED or _is_undone(self.record):
            return ""
        return "as" if self.record.attempt > 1 else "by"

    @property
    def kind(self) -> str:
        """The kind of step, which its color shows."""
        ends = (commands.Deny.message_type, commands.RequestChanges.message_type)
        is_denial = self.record.message_type in ends and self.record.status == Status.SUCCEEDED
        if _is_undone(self.record):
            return Status.CANCELLED
        return "denial" if is_denial else self.record.status


def timeline(request: ApprovalRequest) -> list[Step]:
    """Return the attempts at the requested command, and the commands on it, oldest first."""
    records = records_of(request)[:_MOST_STEPS]
    received_at: dict[UUID | None, datetime] = {
        record.command_id: record.received_at for record in records
    }

    def order(record: CommandRecord) -> tuple[datetime, bool]:
        """Return the time of a record, and True if it has a cause, which the log has later."""
        cause_at = received_at.get(record.causation_id, record.received_at)
        return max(record.received_at, cause_at), record.causation_id in received_at

    waiting = standings.waiting(each for each in records if each.command_id != request.command_id)
    causes: dict[UUID | None, CommandRecord] = {record.command_id: record for record in records}
    steps = []
    for record in sorted(records, key=order):
        cause = causes.get(record.causation_id) if record.status == Status.CANCELLED else None
        by = cause or record
        step = Step(
            at=order(record)[0],
            record=record,
            by=by,
            label=_label(record, request, cause=cause, is_waiting=record.command_id in waiting),
            actor=one_line(by.actor_label, longest=_LONGEST),
            reason="" if cause else many_lines(record.reason),
            error="" if cause or _is_undone(record) else many_lines(record.error_message),
        )
        steps.append(step)
    return steps


def _label(
    record: CommandRecord,
    request: ApprovalRequest,
    *,
    cause: CommandRecord | None,
    is_waiting: bool,
) -> str:
    if record.status == Status.CANCELLED:
        return why_cancelled(record, cause)
    if _is_undone(record):
        return "Execution undone"
    if record.command_id == request.command_id:
        return _OF_ATTEMPT[Status(record.status)]
    if record.status == Status.SUCCEEDED:
        return _DID.get(record.message_type, words(record.message_type))
    if record.status == Status.REFUSED and record.message_type in _VOTES:
        return f"{words(record.message_type)}: not counted"
    return attempted(words(record.message_type), record.status, is_waiting=is_waiting)


def _is_undone(record: CommandRecord) -> bool:
    """Return True if the attempt was undone with the decision that executed it."""
    return record.error_code == RolledBack.code
