"""Commands and events of break-glass."""

from dataclasses import dataclass
from uuid import UUID

from approvals.decisions.events import OfRequest
from audit.messages.classes import Command, SubjectOf

BREAK_GLASS = "approvals.break_glass"


@dataclass(frozen=True, kw_only=True)
class BreakGlass(Command):
    """Execute a held command now, without its approvals, subject to a later review."""

    message_type = "approvals.break_glass"
    required_permission = BREAK_GLASS
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Use break-glass on the {subject}, ticket {ticket}"

    approval_request_id: UUID
    ticket: str


@dataclass(frozen=True, kw_only=True)
class GlassBroken(OfRequest):
    """A held command was executed without the approvals that it needed."""

    message_type = "approvals.glass_broken"

    ticket: str
    state: str
    outcome: str
