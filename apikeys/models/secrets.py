"""The secrets of API keys: how long each is valid, and who may still pick one up."""

from datetime import datetime, timedelta
from typing import ClassVar, Self, cast

from django.db import connection, models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from apikeys.models.refusals import NotYours, PickUpExpired, PickUpWaiting
from audit.domain import Actor, HistoricalRecords, LeanManager, LeanModel, actor_name


def database_clock() -> datetime:
    """Return the time of the database, which authentication uses: workers' clocks differ."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return cast("datetime", now)


class LiveSecrets(models.QuerySet["ApiKeySecret"]):
    """Secrets, with a filter for those that work."""

    def live(self) -> Self:
        """Return the secrets that work, the newest first, without their digests."""
        is_live = models.Q(not_after__isnull=True) | models.Q(not_after__gt=Now())
        return self.filter(is_live).defer("digest").order_by("-created_at", "-pk")


SecretManager = LeanManager.from_queryset(LiveSecrets)


class ApiKeySecret(LeanModel):
    """The digest of one secret of a key, and the end of its validity."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    api_key = models.ForeignKey("apikeys.ApiKey", on_delete=models.PROTECT, related_name="secrets")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    not_after = models.DateTimeField(null=True)

    objects: ClassVar = SecretManager()
    history = HistoricalRecords(excluded_fields=("digest",), part_of="api_key")

    class Meta:
        verbose_name = "API key secret"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("api_key",),
                condition=models.Q(not_after__isnull=True),
                name="apikeys_secret_current_once",
            ),
        )

    def __str__(self) -> str:
        return f"secret {self.id}"

    def __repr__(self) -> str:
        return f"<ApiKeySecret {self.id}>"

    def end_at(self, time: datetime) -> None:
        """End the validity of the secret at this time."""
        self.not_after = time
        self.save(update_fields=["not_after"])


class PickUp(models.Model):
    """An approved secret that is not generated yet: who may pick it up, and until when.

    ``command_id`` is the approved command; None in rows of earlier versions.

    It has its own table because it is short-lived: there are few rows, their history shows who
    could pick up a secret and who did, and history rows of keys do not carry five columns that are
    nearly always empty.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    api_key = models.OneToOneField(
        "apikeys.ApiKey", on_delete=models.PROTECT, related_name="pick_up"
    )
    command_id = models.UUIDField(null=True)
    actor_kind = models.TextField()
    actor_id = models.TextField()
    actor_person = models.TextField(blank=True)
    actor_label = models.TextField()
    until = models.DateTimeField()
    overlap = models.DurationField(default=timedelta)

    history = HistoricalRecords(part_of="api_key")

    class Meta:
        verbose_name = "pick-up"
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                condition=models.Q(overlap__gte=timedelta()), name="apikeys_pick_up_overlap"
            ),
        )

    def __str__(self) -> str:
        return f"a secret for {actor_name(self.actor_label)} until {self.until:%Y-%m-%d %H:%M} UTC"

    def check_is_for(self, actor: Actor) -> None:
        """Check that the actor made the claim, and that it has not expired.

        Another key of the same person is a different credential, possibly held by someone else.

        :raises NotYours: if another actor made the claim.
        :raises PickUpExpired: if it is too late.
        """
        is_same = (actor.kind, actor.id) == (self.actor_kind, self.actor_id)
        is_person = actor.kind == "user" and actor.person_id == self.actor_person
        if not (is_same or is_person):
            raise NotYours
        if timezone.now() >= self.until:
            message = (
                f"The secret could be picked up until {self.until:%Y-%m-%d %H:%M} UTC: "
                "rotate the key to get another one."
            )
            raise PickUpExpired(message)

    def check_is_over(self) -> None:
        """Check that the secret can no longer be picked up.

        :raises PickUpWaiting: if it can.
        """
        if database_clock() < self.until:
            raise PickUpWaiting(f"It is {self}.")
