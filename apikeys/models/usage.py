"""Last use of each key."""

from django.db import models


class ApiKeyUsage(models.Model):
    """The last use of a key, exact to a minute.

    Untracked, because it affects no right of the key, and not in the key's own row, because it is
    written often while every request reads that row. See apikeys.authentication.usage.
    """

    api_key = models.OneToOneField(
        "apikeys.ApiKey", on_delete=models.PROTECT, primary_key=True, related_name="usage"
    )
    last_used_at = models.DateTimeField()
    last_used_from = models.GenericIPAddressField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"last used at {self.last_used_at:%Y-%m-%d %H:%M} UTC"
