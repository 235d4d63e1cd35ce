"""When each key was last used."""

from django.db import models


class ApiKeyUsage(models.Model):
    """The last use of a key, exact to a minute.

    Neither tracked nor in the key's own row: it says nothing that a key may or may not do, it is
    written often, and the row of the key is what every request reads. See
    apikeys.authentication.usage.
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
