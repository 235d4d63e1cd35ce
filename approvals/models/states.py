"""Where a request can stand."""

from django.db import models


class State(models.TextChoices):
    """Where an approval request stands. All but pending are final, and some failures."""

    PENDING = "pending"
    EXECUTED = "executed"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    FAILED = "failed"
