"""States of approval requests."""

from django.db import models


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
