"""States of approval requests."""

from django.db import models
from django.utils import timezone

from audit.models.records import Status

#: The state that is shown of a request whose row has no valid seal. It is never stored.
ALTERED = "altered"
#: The outcome code of a denied request whose approver requested changes.
CHANGES_REQUESTED = "changes_requested"


class State(models.TextChoices):
    """The state of an approval request. All are final except pending and retriable failures."""

    PENDING = "pending"
    EXECUTED = "executed"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    FAILED = "failed"


#: The outcome code of a request whose command failed on execution.
ERROR = "error"

#: The last records that the held command of a decided request can have: the status, and the error
#: code where it is certain.
ENDS: dict[str, set[tuple[str, str]]] = {
    State.EXECUTED: {(Status.SUCCEEDED.value, "")},
    State.DENIED: {(Status.CANCELLED.value, "denied")},
    State.WITHDRAWN: {(Status.CANCELLED.value, "withdrawn")},
    State.EXPIRED: {(Status.CANCELLED.value, "expired")},
    State.SUPERSEDED: {(Status.CANCELLED.value, "superseded")},
    State.REFUSED: {(Status.REFUSED.value, ""), (Status.CANCELLED.value, "too_late")},
    State.FAILED: {(Status.FAILED.value, ""), (Status.CANCELLED.value, "unloadable")},
}


def in_state(state: str) -> models.Q:
    """Match requests that are in a state now: overdue pending requests count as expired."""
    is_over = models.Q(approve_by__lte=timezone.now())
    match state:
        case State.PENDING:
            return models.Q(state=State.PENDING) & ~is_over
        case State.EXPIRED:
            return models.Q(state=State.EXPIRED) | (models.Q(state=State.PENDING) & is_over)
        case _:
            return models.Q(state=state)


class RequestStatus(models.TextChoices):
    """The current status of a request and its command: the state, and what is known beyond it."""

    WAITING = "waiting", "waiting"
    #: It has enough approvals, and is about to be executed.
    APPROVED = "approved", "approved"
    #: It has enough approvals, and is executed at the time that the requester has chosen.
    SCHEDULED = "scheduled", "approved, to be executed later"
    #: Too few people can vote, or today's policies do not let it be approved.
    UNSATISFIABLE = "unsatisfiable", "cannot be approved"
    EXECUTED = "executed", "executed"
    SECRET_TO_PICK_UP = "secret_to_pick_up", "secret to pick up"
    DENIED = "denied", "denied"
    CHANGES_REQUESTED = "changes_requested", "changes requested"
    WITHDRAWN = "withdrawn", "withdrawn"
    EXPIRED = "expired", "expired"
    SUPERSEDED = "superseded", "superseded"
    REFUSED = "refused", "refused"
    FAILED = "failed", "failed"
    ALTERED = "altered", "altered"


#: The statuses of requests that can still be approved.
UNDECIDED = (
    RequestStatus.WAITING,
    RequestStatus.APPROVED,
    RequestStatus.SCHEDULED,
    RequestStatus.UNSATISFIABLE,
)
#: The statuses by which lists find requests: an altered row may have any values.
LISTED_STATUSES = [each for each in RequestStatus.values if each != RequestStatus.ALTERED]
