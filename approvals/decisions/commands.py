"""What can be asked of approvals."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages.classes import Command, SubjectOf


@dataclass(frozen=True, kw_only=True)
class _OnRequest(Command):
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class Approve(_OnRequest):
    """Approve what a request asks for. ``digest`` is that of what the approver has seen."""

    message_type = "approvals.approve"
    sentence = "Approve the {subject}"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Deny(_OnRequest):
    """Deny what a request asks for, and say why. One denial ends the request."""

    message_type = "approvals.deny"
    sentence = "Deny the {subject}"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Withdraw(_OnRequest):
    """Take back what one asked for, before it is decided. An empty digest stands for any."""

    message_type = "approvals.withdraw"
    sentence = "Withdraw the {subject}"

    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeBack(_OnRequest):
    """Take back one's vote on a request that is not decided yet; one may then vote again."""

    message_type = "approvals.take_back"
    sentence = "Take back the vote on the {subject}"

    digest: str


@dataclass(frozen=True, kw_only=True)
class ExpireRequest(_OnRequest):
    """Write down that nobody decided a request in time. Only the system itself does this."""

    message_type = "approvals.expire"
    # No such permission can be given to anybody.
    required_permission = "approvals.expire_request"
    sentence = "Let the {subject} expire"


@dataclass(frozen=True, kw_only=True)
class TightenRequest(_OnRequest):
    """Have an open request ask for what the policies ask for by now as well, never for less."""

    message_type = "approvals.tighten"
    required_permission = "approvals.manage_policy"
    sentence = "Ask for more approvals of the {subject} if its policies do by now"


@dataclass(frozen=True, kw_only=True)
class Retry(_OnRequest):
    """Try again to carry out what was approved but failed in a way that may pass."""

    message_type = "approvals.retry"
    sentence = "Try again what the {subject} asked for"
