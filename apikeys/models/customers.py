"""Customers, and the people who act for them."""

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from apikeys.models.refusals import NameTaken, NotAMember
from audit.domain import HistoricalRecords, LeanManager, actor_name, quoted, subject


@subject("customer", tenant="id", names=("name",))
class Customer(models.Model):
    """A tenant: the owner of keys and of the records about them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    history = HistoricalRecords()

    class Meta:
        default_permissions = ("view",)
        permissions = (("create_customer", "Can create customers and add people to them"),)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def check_is_free(cls, name: str) -> None:
        """Check that no customer has this name.

        :raises NameTaken: if one has.
        """
        if cls.objects.filter(name=name).exists():
            raise NameTaken


class Membership(models.Model):
    """A person who acts for a customer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)

    objects: ClassVar[LeanManager[Self]] = LeanManager()
    history = HistoricalRecords(part_of="customer")

    class Meta:
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=("user", "customer"), name="apikeys_membership_once"),
        )

    def __str__(self) -> str:
        return f"{actor_name(str(self.user))} of {quoted(str(self.customer))}"

    @staticmethod
    def missing(user_id: int) -> NotAMember:
        """Return the refusal of a user who does not act for a customer: no key of theirs works."""
        user = get_user_model().objects.filter(pk=user_id).first()
        who = actor_name(str(user)) if user else f"User {user_id}"
        return NotAMember(f"{who} is not a member of this customer, as the owner of a key must be.")
