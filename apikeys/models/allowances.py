"""What rate limits leave to whom."""

from django.db import models


class Allowance(models.Model):
    """When the whole allowance of a key, or of an address that failed, will be there again.

    Operational, and no evidence: the table is not logged, so a crash of the server empties it, and
    everybody begins anew. See apikeys.authentication.rate_limits.
    """

    id = models.TextField(primary_key=True)
    restored_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.id
