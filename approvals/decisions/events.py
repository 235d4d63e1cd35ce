"""What has happened to approval requests."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages.classes import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class OfRequest(Event):
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class ApprovalRequested(OfRequest):
    """A command is held until it is approved."""

    message_type = "approvals.requested"

    command_id: UUID
    command_type: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Approved(OfRequest):
    """A person approved a request."""

    message_type = "approvals.approved"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Denied(OfRequest):
    """A person denied a request, which ended it."""

    message_type = "approvals.denied"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Withdrawn(OfRequest):
    """Who asked took it back."""

    message_type = "approvals.withdrawn"


@dataclass(frozen=True, kw_only=True)
class VoteTakenBack(OfRequest):
    """A person took back a vote."""

    message_type = "approvals.vote_taken_back"

    digest: str


@dataclass(frozen=True, kw_only=True)
class RequestExpired(OfRequest):
    """Nobody decided a request in time."""

    message_type = "approvals.expired"


@dataclass(frozen=True, kw_only=True)
class RequestSuperseded(OfRequest):
    """A request gave way to a stricter one of the same command, which begins without votes."""

    message_type = "approvals.superseded"

    successor_id: UUID


@dataclass(frozen=True, kw_only=True)
class Settled(OfRequest):
    """Enough people approved, and the held command was replayed, with this outcome."""

    message_type = "approvals.settled"

    state: str
    outcome: str
    outcome_code: str = ""
