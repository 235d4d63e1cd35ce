"""What has happened to approval requests."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages.classes import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class ApprovalRequested(Event):
    """A command is held until it is approved."""

    message_type = "approvals.requested"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
    command_id: UUID
    command_type: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Approved(Event):
    """A person approved a request."""

    message_type = "approvals.approved"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Denied(Event):
    """A person denied a request, which ended it."""

    message_type = "approvals.denied"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Withdrawn(Event):
    """Who asked took it back."""

    message_type = "approvals.withdrawn"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class VoteTakenBack(Event):
    """A person took back a vote."""

    message_type = "approvals.vote_taken_back"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class RequestExpired(Event):
    """Nobody decided a request in time."""

    message_type = "approvals.expired"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class RequestSuperseded(Event):
    """A request gave way to a stricter one of the same command, which begins without votes."""

    message_type = "approvals.superseded"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
    successor_id: UUID


@dataclass(frozen=True, kw_only=True)
class Settled(Event):
    """Enough people approved, and the held command was replayed, with this outcome."""

    message_type = "approvals.settled"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
    state: str
    outcome: str
    outcome_code: str = ""
