"""Commands on approval requests."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from approvals.requests.correspondence import COMMENT
from audit.messages.classes import Command, SubjectOf

BREAK_GLASS = "approvals.break_glass"
#: The share of the time to decide, in percent, after which a request is escalated.
ESCALATED_AT = 90


@dataclass(frozen=True, kw_only=True)
class _OnRequest(Command):
    subject = SubjectOf("approval-request", "approval_request_id")
    depends_on = ("state", "is_retriable")

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class Decision(_OnRequest):
    """A decision of a person, with what was displayed: it has this effect, or is refused.

    ``number`` is that of the request's last event, and ``expected_effect`` one of
    `approvals.requests.effects`. Callers that display no effect send none.
    """

    number: int | None = None
    expected_effect: str = ""


@dataclass(frozen=True, kw_only=True)
class Approve(Decision):
    """Approve a request. ``digest`` is that of the content that the approver saw.

    ``signature`` is that of the vote by a passkey: the JSON of a
    `approvals.passkeys.ceremonies.Signature`.
    """

    message_type = "approvals.approve"
    sentence = "Approve the {subject}"

    digest: str
    signature: str = ""


@dataclass(frozen=True, kw_only=True)
class Deny(Decision):
    """Deny a request, with a reason. One denial ends the request."""

    message_type = "approvals.deny"
    sentence = "Deny the {subject}"

    digest: str
    signature: str = ""


@dataclass(frozen=True, kw_only=True)
class RequestChanges(Decision):
    """Deny a request so that its requester sends it again with changes, which a reason names."""

    message_type = "approvals.request_changes"
    sentence = "Request changes of the {subject}"

    digest: str
    signature: str = ""


@dataclass(frozen=True, kw_only=True)
class Withdraw(Decision):
    """Withdraw one's own request before it is decided. An empty digest matches any."""

    message_type = "approvals.withdraw"
    sentence = "Withdraw the {subject}"

    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeBack(Decision):
    """Take back a vote on an undecided request; its voter may then vote again."""

    message_type = "approvals.take_back"
    sentence = "Take back the vote on the {subject}"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Comment(_OnRequest):
    """Comment on a request. The comment is the reason; it decides nothing."""

    message_type = COMMENT
    sentence = "Comment on the {subject}"


@dataclass(frozen=True, kw_only=True)
class RemindApprovers(_OnRequest):
    """Send the e-mail about one's own request again to those who can still vote, once a day."""

    message_type = "approvals.remind"
    sentence = "Remind the approvers of the {subject}"


@dataclass(frozen=True, kw_only=True)
class ExpireRequest(_OnRequest):
    """Mark an overdue request as expired. Only the system and its processes do this."""

    message_type = "approvals.expire"
    # No row has this permission, so it cannot be granted.
    required_permission = "approvals.expire_request"
    sentence = "Mark the {subject} as expired"


@dataclass(frozen=True, kw_only=True)
class RemindOfDeadline(_OnRequest):
    """Remind the approvers of a request of its deadline, after a share of the time to decide.

    Towards the end, the policy owners are notified as well: it is escalated.
    """

    message_type = "approvals.remind_of_deadline"
    # No row has this permission, so it cannot be granted.
    required_permission = "approvals.remind_of_deadline"
    sentence = "Remind the approvers of the {subject}, after {percent} % of the time"

    percent: Literal[50, 90]


@dataclass(frozen=True, kw_only=True)
class ReleaseRequest(_OnRequest):
    """Execute the command of a request that has enough approvals again, without another vote.

    Only the system and its processes do this, when a person who has voted may vote again.
    """

    message_type = "approvals.release"
    # No row has this permission, so it cannot be granted.
    required_permission = "approvals.release_request"
    sentence = "Execute the command of the approved {subject}"


@dataclass(frozen=True, kw_only=True)
class Retry(Decision):
    """Execute an approved command again after a temporary failure. An empty digest matches any."""

    message_type = "approvals.retry"
    sentence = "Retry the command of the {subject}"

    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class BreakGlass(_OnRequest):
    """Execute a waiting command now, without its approvals, subject to a later review."""

    message_type = "approvals.break_glass"
    required_permission = BREAK_GLASS
    sentence = "Use break-glass on the {subject}, ticket {ticket}"

    ticket: str
