"""API keys and their states."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Collate, Lower
from django.utils import timezone
from uuid_utils.compat import uuid7

from apikeys.models import refusals
from apikeys.models.customers import Customer
from apikeys.models.limits import DEFAULT_SCOPES, LONGEST_DESCRIPTION, LONGEST_NAME, check_period
from apikeys.models.secrets import ApiKeySecret, PickUp, database_clock
from apikeys.models.tokens import Token
from audit.domain import Actor, HistoricalRecords, LeanModel, ObjectField, quoted, subject


class Environment(models.TextChoices):
    """The environment of a key; its secrets contain the name."""

    LIVE = "live"
    TEST = "test"


class State(models.TextChoices):
    """The state of a key: whether it authenticates, and if not, the reason."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    DELETED = "deleted"


def default_scopes() -> list[str]:
    """Return the rights that every key had before there were scopes."""
    return list(DEFAULT_SCOPES)


@subject("api-key", tenant="customer_id", route="v2-key", names=("name", "prefix"))
class ApiKey(LeanModel):
    """A credential for a customer's service to use the API, on behalf of its owner."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.CharField(max_length=LONGEST_NAME)
    description = models.CharField(max_length=LONGEST_DESCRIPTION, blank=True, default="")
    environment = models.CharField(
        max_length=4, choices=Environment.choices, default=Environment.LIVE
    )
    prefix = models.CharField(max_length=20, blank=True)
    scopes = ArrayField(models.TextField(), default=default_scopes)
    allowed_networks = ArrayField(models.TextField(), default=list, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    metadata = ObjectField(default=dict, blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "API key"
        default_permissions = ("view",)
        permissions = (
            ("create_apikey", "Can create API keys"),
            ("update_apikey", "Can change API keys"),
            ("rotate_apikey", "Can rotate the secrets of API keys"),
            ("enable_apikey", "Can enable API keys"),
            ("disable_apikey", "Can disable API keys"),
            ("delete_apikey", "Can delete API keys"),
            ("verify_apikey", "Can verify the secrets of API keys"),
        )
        indexes = (
            models.Index(fields=("customer", "-created_at"), name="apikeys_of_customer"),
            models.Index(Collate(Lower("name"), "C"), name="apikeys_by_name"),
            models.Index(Collate(Lower("prefix"), "C"), name="apikeys_by_prefix"),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(environment__in=Environment.values), name="apikeys_environment"
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("not_before")),
                name="apikeys_expires_after_start",
            ),
            models.CheckConstraint(
                condition=models.Q(deleted_at__isnull=True) | models.Q(is_enabled=False),
                name="apikeys_deleted_is_disabled",
            ),
        )

    def __str__(self) -> str:
        secret = f"{self.prefix}…" if self.prefix else "no secret yet"
        return f"API key {quoted(self.name)} ({secret})"

    def subject_label(self) -> str:
        """Return the key's name with its customer, for readers who see many customers."""
        return f"{self} of {quoted(str(self.customer))}"

    def state_at(self, time: datetime) -> State:
        """Return the state that the key, as it is now, has at the given time."""
        if self.deleted_at is not None:
            return State.DELETED
        if not self.is_enabled:
            return State.DISABLED
        if self.expires_at is not None and self.expires_at <= time:
            return State.EXPIRED
        if self.not_before is not None and self.not_before > time:
            return State.NOT_YET_VALID
        return State.ENABLED

    def check_not_deleted(self) -> None:
        """Check that the key is not deleted.

        :raises AlreadyDeleted: if it is.
        """
        if self.deleted_at is not None:
            raise refusals.AlreadyDeleted(f"{self} is deleted, and that is final.")

    def enable(self) -> bool:
        """Enable the key; return False if it was enabled already."""
        self.check_not_deleted()
        if self.is_enabled:
            return False
        self.is_enabled = True
        self.save(update_fields=["is_enabled"])
        return True

    def disable(self) -> bool:
        """Disable the key, effective from its next request; return False if it was disabled."""
        self.check_not_deleted()
        if not self.is_enabled:
            return False
        self.is_enabled = False
        self.save(update_fields=["is_enabled"])
        return True

    def differing(self, values: dict[str, Any]) -> list[str]:
        """Return the names of the values that the key does not have already."""
        return [name for name, value in values.items() if getattr(self, name) != value]

    def change(self, values: dict[str, Any]) -> list[str]:
        """Set new values; return the names of those that differ.

        :raises Invalid: if the key would expire before it is valid.
        """
        self.check_not_deleted()
        changed = self.differing(values)
        if not changed:
            return []
        for name in changed:
            setattr(self, name, values[name])
        check_period(self.not_before, self.expires_at)
        self.save(update_fields=changed)
        return changed

    def rotate(self, token: Token, *, overlap: timedelta) -> datetime | None:
        """Make a token the current secret; return the time when the former one ends, if any.

        With an overlap the former secret works for exactly that long, because authentication uses
        the same clock. Without one, all other secrets end now.

        :raises RotationUnderWay: if three secrets would work at once.
        """
        self.check_not_deleted()
        former = list(self.secrets.live())
        if overlap and len(former) > 1:
            raise _rotation_under_way(former)
        end = database_clock() + overlap
        self._end(former, end)
        self.secrets.create(digest=token.digest)
        self.prefix = token.prefix
        self.save(update_fields=["prefix"])
        return end if former else None

    def check_has_one_secret(self) -> None:
        """Check that a former secret no longer works.

        :raises RotationUnderWay: if one still does.
        """
        self.check_not_deleted()
        working = list(self.secrets.live())
        if len(working) > 1:
            raise _rotation_under_way(working)

    def await_pick_up(
        self, actor: Actor, *, command_id: UUID | None = None, overlap: timedelta = timedelta()
    ) -> None:
        """Record the claim of a command's actor to the next secret; it replaces any earlier one.

        Until it is picked up, the current secrets stay unchanged.
        """
        self.check_not_deleted()
        claim = {
            "command_id": command_id,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "actor_person": actor.person_id,
            "actor_label": actor.label,
            "until": timezone.now() + settings.APIKEYS_PICK_UP_WITHIN,
            "overlap": overlap,
        }
        PickUp.objects.update_or_create(api_key=self, defaults=claim)

    def awaited_pick_up(self) -> PickUp:
        """Return the claim to the next secret.

        :raises NothingToPickUp: if there is no claim.
        """
        self.check_not_deleted()
        pick_up = PickUp.objects.filter(api_key=self).first()
        if pick_up is None:
            raise refusals.NothingToPickUp(f"{self} has no secret to pick up.")
        return pick_up

    def check_nothing_waits(self) -> None:
        """Check that no secret is waiting to be picked up; an expired claim does not count.

        :raises PickUpWaiting: naming the actor who may pick it up.
        """
        pick_up = PickUp.objects.filter(api_key=self, until__gt=timezone.now()).first()
        if pick_up is not None:
            raise refusals.PickUpWaiting(
                f"{pick_up.actor_label} can pick up a secret of {self} until "
                f"{pick_up.until:%Y-%m-%d %H:%M} UTC. To give it up, rotate with replace_pick_up."
            )

    def mark_deleted(self) -> bool:
        """Mark the key as deleted, permanently: the row stays, and all its secrets end now.

        Return False if it was deleted already.
        """
        if self.deleted_at is not None:
            return False
        self.is_enabled, self.deleted_at = False, database_clock()
        self._end(self.secrets.live(), self.deleted_at)
        self.save(update_fields=["is_enabled", "deleted_at"])
        return True

    def _end(self, secrets: Iterable[ApiKeySecret], end: datetime) -> None:
        """End these secrets, and any claim to the next one."""
        for secret in secrets:
            secret.end_at(end)
        PickUp.objects.filter(api_key=self).delete()


def _rotation_under_way(live: list[ApiKeySecret]) -> refusals.RotationUnderWay:
    (until,) = (secret.not_after for secret in live if secret.not_after is not None)
    return refusals.RotationUnderWay(
        "The key already has two valid secrets, "
        f"the former one until {until:%Y-%m-%d %H:%M:%S} UTC. "
        "Wait until then, or rotate with overlap_seconds 0, which ends both now."
    )
