"""What can be asked of approvals."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages.classes import Command, SubjectOf


@dataclass(frozen=True, kw_only=True)
class Approve(Command):
    """Approve a request. ``digest`` is that of the content that the approver saw."""

    message_type = "approvals.approve"
    subject = SubjectOf("approval-request", "approval_request_id", is_locked=True)
    sentence = "Approve the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Deny(Command):
    """Deny a request, with a reason. One denial ends the request."""

    message_type = "approvals.deny"
    subject = SubjectOf("approval-request", "approval_request_id", is_locked=True)
    sentence = "Deny the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Withdraw(Command):
    """Withdraw one's own request before it is decided. An empty digest matches any."""

    message_type = "approvals.withdraw"
    subject = SubjectOf("approval-request", "approval_request_id", is_locked=True)
    sentence = "Withdraw the {subject}"

    approval_request_id: UUID
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeBack(Command):
    """Take back a vote on an undecided request; its voter may then vote again."""

    message_type = "approvals.take_back"
    subject = SubjectOf("approval-request", "approval_request_id", is_locked=True)
    sentence = "Take back the vote on the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class ExpireRequest(Command):
    """Mark an overdue request as expired. Only the system does this."""

    message_type = "approvals.expire"
    # No such permission can be given to anybody.
    required_permission = "approvals.expire_request"
    subject = SubjectOf("approval-request", "approval_request_id", is_locked=True)
    sentence = "Mark the {subject} as expired"

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class TightenRequest(Command):
    """Add today's policy requirements to an open request, never reducing them."""

    message_type = "approvals.tighten"
    required_permission = "approvals.manage_policy"
    subject = SubjectOf("approval-request", "approval_request_id", is_locked=True)
    sentence = "Apply today's stricter policies to the {subject}"

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class Retry(Command):
    """Execute an approved command again after a temporary failure."""

    message_type = "approvals.retry"
    subject = SubjectOf("approval-request", "approval_request_id", is_locked=True)
    sentence = "Retry the command of the {subject}"

    approval_request_id: UUID
