"""Allowances: the state of rate limits."""

from django.db import models


class Allowance(models.Model):
    """The time when an allowance is whole again: a key's, an account's, a device's, an address's.

    Operational data, not evidence: the table is unlogged, so a server crash empties it and all
    limits start over. See audit.entry.rate_limits.
    """

    id = models.TextField(primary_key=True)
    restored_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        # From the app that had the limits first.
        db_table = "apikeys_allowance"

    def __str__(self) -> str:
        return self.id
