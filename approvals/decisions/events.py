"""Events of approval requests."""

from dataclasses import dataclass
from uuid import UUID

from approvals.requests.correspondence import REMINDED
from audit.messages.classes import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class _OfRequest(Event):
    subject = SubjectOf("approval-request", "approval_request_id")

    approval_request_id: UUID


@dataclass(frozen=True, kw_only=True)
class ApprovalRequested(_OfRequest):
    """A command is held until it is approved."""

    message_type = "approvals.requested"

    command_id: UUID
    command_type: str
    digest: str
    #: The stale requests that this one replaces.
    supersedes: tuple[UUID, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Approved(_OfRequest):
    """A person approved a request."""

    message_type = "approvals.approved"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Denied(_OfRequest):
    """A person denied a request, which ended it."""

    message_type = "approvals.denied"

    digest: str


@dataclass(frozen=True, kw_only=True)
class ChangesRequested(_OfRequest):
    """A person requested changes, which ended the request."""

    message_type = "approvals.changes_requested"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Withdrawn(_OfRequest):
    """The requester withdrew a request."""

    message_type = "approvals.withdrawn"


@dataclass(frozen=True, kw_only=True)
class VoteTakenBack(_OfRequest):
    """A person took back a vote."""

    message_type = "approvals.vote_taken_back"

    digest: str


@dataclass(frozen=True, kw_only=True)
class Commented(_OfRequest):
    """A person commented on a request."""

    message_type = "approvals.commented"

    comment: str


@dataclass(frozen=True, kw_only=True)
class ApproversReminded(_OfRequest):
    """The requester reminded the people who can still vote."""

    message_type = REMINDED


@dataclass(frozen=True, kw_only=True)
class DeadlineNear(_OfRequest):
    """The approvers were reminded after this share of the time to decide had passed."""

    message_type = "approvals.deadline_near"

    percent: int


@dataclass(frozen=True, kw_only=True)
class RequestEscalated(_OfRequest):
    """The policy owners were notified of a request that is still undecided."""

    message_type = "approvals.escalated"


@dataclass(frozen=True, kw_only=True)
class RequestExpired(_OfRequest):
    """A request expired without a decision."""

    message_type = "approvals.expired"


@dataclass(frozen=True, kw_only=True)
class RequestSuperseded(_OfRequest):
    """A stale request was replaced by a new one, or any request by a stricter one."""

    message_type = "approvals.superseded"

    successor_id: UUID


@dataclass(frozen=True, kw_only=True)
class Released(_OfRequest):
    """A request had enough approvals again, without another vote."""

    message_type = "approvals.released"


@dataclass(frozen=True, kw_only=True)
class Settled(_OfRequest):
    """Enough people approved, and the held command was replayed, with this outcome."""

    message_type = "approvals.settled"

    state: str
    outcome: str
    outcome_code: str = ""


@dataclass(frozen=True, kw_only=True)
class GlassBroken(_OfRequest):
    """A held command was executed without the approvals that it needed."""

    message_type = "approvals.glass_broken"

    ticket: str
    state: str
    outcome: str
    own_request: bool = False
