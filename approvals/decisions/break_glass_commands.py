"""Breaking the glass: what can be asked, and what has happened."""

from dataclasses import dataclass
from uuid import UUID

from approvals.decisions.events import OfRequest
from audit.messages.classes import Command, SubjectOf

BREAK_GLASS = "approvals.break_glass"


@dataclass(frozen=True, kw_only=True)
class BreakGlass(Command):
    """Carry a held command out now, without the approvals that it needs, and answer for it."""

    message_type = "approvals.break_glass"
    required_permission = BREAK_GLASS
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Break the glass on the {subject}, ticket {ticket}"

    approval_request_id: UUID
    ticket: str


@dataclass(frozen=True, kw_only=True)
class GlassBroken(OfRequest):
    """A held command was carried out without the approvals that it needed."""

    message_type = "approvals.glass_broken"

    ticket: str
    state: str
    outcome: str
