"""States of approval requests."""

from django.db import models

#: The state that is shown of a request whose row has no valid seal. It is never stored.
ALTERED = "altered"


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
