from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from audit.exceptions import Conflict
from audit.history import HistoricalRecords
from audit.registry import subject


class AlreadyEnabled(Conflict):
    """The API key is already enabled."""


class AlreadyDisabled(Conflict):
    """The API key is already disabled."""


@subject("customer", tenant="id")
class Customer(models.Model):
    """A tenant: whoever the keys, and what is done with them, belong to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    history = HistoricalRecords()

    class Meta:
        default_permissions = ("view",)
        permissions = (("create_customer", "Can create customers and add people to them"),)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person who acts for a customer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)

    history = HistoricalRecords()

    class Meta:
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=("user", "customer"), name="apikeys_membership_once"),
        )

    def __str__(self) -> str:
        return f"{self.user} of {self.customer}"


@subject("api-key", tenant="customer_id")
class ApiKey(models.Model):
    """What lets a program of a customer use the API, on behalf of its owner."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=20, blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "API key"
        default_permissions = ("view",)
        permissions = (
            ("create_apikey", "Can create API keys"),
            ("enable_apikey", "Can enable API keys"),
            ("disable_apikey", "Can disable API keys"),
        )
        indexes = (models.Index(fields=("customer", "-created_at"), name="apikeys_of_customer"),)

    def __str__(self) -> str:
        return f"API key “{self.name}” ({self.prefix or 'no secret yet'}…)"

    def subject_label(self) -> str:
        """Name the key for somebody who sees many customers."""
        return f"{self} of {self.customer}"

    def enable(self) -> None:
        """Let the key authenticate again.

        :raises AlreadyEnabled: if it does.
        """
        if self.is_enabled:
            message = f"{self} is already enabled."
            raise AlreadyEnabled(message)
        self.is_enabled = True
        self.save(update_fields=["is_enabled"])

    def disable(self) -> None:
        """Turn the key away from its next request on.

        :raises AlreadyDisabled: if it is.
        """
        if not self.is_enabled:
            message = f"{self} is already disabled."
            raise AlreadyDisabled(message)
        self.is_enabled = False
        self.save(update_fields=["is_enabled"])


class ApiKeySecret(models.Model):
    """The digest of one secret of a key, and how long it is good."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="secrets")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    not_after = models.DateTimeField(null=True)

    history = HistoricalRecords(excluded_fields=("digest",))

    class Meta:
        verbose_name = "API key secret"
        default_permissions = ()

    def __str__(self) -> str:
        return f"secret {self.id}"

    def __repr__(self) -> str:
        return f"<ApiKeySecret {self.id}>"
