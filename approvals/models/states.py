"""States of approval requests."""

from django.db import models

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
