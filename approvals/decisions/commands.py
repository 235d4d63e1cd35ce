"""What can be asked of approvals."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages.classes import Command, SubjectOf


@dataclass(frozen=True, kw_only=True)
class Approve(Command):
    """Approve what a request asks for. ``digest`` is that of what the approver has seen."""

    message_type = "approvals.approve"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Approve the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Deny(Command):
    """Deny what a request asks for, and say why. One denial ends the request."""

    message_type = "approvals.deny"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Deny the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class Withdraw(Command):
    """Take back what one asked for, before it is decided. An empty digest stands for any."""

    message_type = "approvals.withdraw"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Withdraw the {subject}"

    approval_request_id: UUID
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeBack(Command):
    """Take back one's vote on a request that is not decided yet; one may then vote again."""

    message_type = "approvals.take_back"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Take back the vote on the {subject}"

    approval_request_id: UUID
    digest: str


@dataclass(frozen=True, kw_only=True)
class ExpireRequest(Command):
    """Write down that nobody decided a request in time. Only the system itself does this."""

    message_type = "approvals.expire"
    # No such permission can be given to anybody.
    required_permission = "approvals.expire_request"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Let the {subject} expire"

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class TightenRequest(Command):
    """Have an open request ask for what the policies ask for by now as well, never for less."""

    message_type = "approvals.tighten"
    required_permission = "approvals.manage_policy"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Ask for more approvals of the {subject} if its policies do by now"

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class Retry(Command):
    """Try again to carry out what was approved but failed in a way that may pass."""

    message_type = "approvals.retry"
    subject = SubjectOf("approval-request", "approval_request_id")
    sentence = "Try again what the {subject} asked for"

    approval_request_id: UUID
