"""What has happened to policies and approval requests."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class PolicyCreated(Event):
    """A policy holds commands of a type."""

    message_type = "approvals.policy_created"
    subject = SubjectOf("policy", "policy_id")

    policy_id: UUID
    governs: str
    group_id: int
    quorum: int


@dataclass(frozen=True, kw_only=True)
class PolicyDisabled(Event):
    """A policy holds nothing any more."""

    message_type = "approvals.policy_disabled"
    subject = SubjectOf("policy", "policy_id")

    policy_id: UUID


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
class Settled(Event):
    """Enough people approved, and the held command was replayed, with this outcome."""

    message_type = "approvals.settled"
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID
    state: str
    outcome: str
