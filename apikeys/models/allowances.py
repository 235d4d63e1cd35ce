"""Allowances: the state of rate limits."""

from django.db import models


class Allowance(models.Model):
    """The time when the allowance of a key, or of an IP address that failed, is whole again.

    Operational data, not evidence: the table is unlogged, so a server crash empties it and all
    limits start over. See apikeys.authentication.rate_limits.
    """

    id = models.TextField(primary_key=True)
    restored_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.id
