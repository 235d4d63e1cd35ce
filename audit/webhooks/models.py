"""Webhook endpoints, which change by commands only, and their outages."""

from datetime import timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from audit.actors.actors import Actor
from audit.messages.characters import quoted
from audit.models.constraints import check, one_line, within_calendar
from audit.models.lean import LeanModel
from audit.subjects.types import subject
from audit.tracking.history import HistoricalRecords
from audit.webhooks import refusals, secrets

#: The tenant of an endpoint that gets all events: only people who see every tenant see it.
EVERY_TENANT = "*"
_LONGEST_TEXT = 4_000


class Payload(models.TextChoices):
    """The content of a delivery: only what the event is about, or also its data."""

    THIN = "thin"
    FULL = "full"


class Cause(models.TextChoices):
    """The reason why an endpoint is disabled."""

    REQUESTED = "requested"
    GONE = "gone"
    FAILING = "failing"


class EndpointState(models.TextChoices):
    """The state of an endpoint. Deliveries are sent to enabled endpoints only."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    AWAITING_PICK_UP = "awaiting_pick_up"
    DELETED = "deleted"


def all_event_types() -> list[str]:
    """Return the default of ``event_types``."""
    return ["*"]


@subject("webhook-endpoint", tenant="tenant", route="countersign:webhook-endpoint")
class WebhookEndpoint(LeanModel):
    """A URL that events of a tenant are sent to; those of all tenants if it is `EVERY_TENANT`.

    ``secret`` and ``former_secret`` are encrypted. The former one also signs until
    ``former_ends_at``. While a secret is approved and not picked up, ``pick_up_kind`` and
    ``pick_up_id`` are the actor who may, and ``pick_up_overlap`` is how long the current one still
    signs after that.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.TextField()
    destination = models.TextField()
    description = models.TextField(blank=True)
    event_types = ArrayField(models.TextField(), default=all_event_types)
    payload = models.TextField(choices=Payload.choices, default=Payload.THIN)
    is_enabled = models.BooleanField(default=True)
    disabled_because = models.TextField(choices=Cause.choices, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True)
    secret = models.BinaryField(null=True)
    former_secret = models.BinaryField(null=True)
    former_ends_at = models.DateTimeField(null=True)
    pick_up_kind = models.TextField(blank=True)
    pick_up_id = models.TextField(blank=True)
    pick_up_person = models.TextField(blank=True)
    pick_up_label = models.TextField(blank=True)
    pick_up_overlap = models.DurationField(default=timedelta)

    history = HistoricalRecords(excluded_fields=("secret", "former_secret"))

    class Meta:
        verbose_name = "webhook endpoint"
        default_permissions = ("view",)
        permissions = (
            ("manage_webhookendpoint", "Can create, change and delete webhook endpoints"),
            ("resend_webhookdelivery", "Can send events to webhook endpoints again"),
        )
        indexes = (models.Index(fields=("tenant", "-created_at"), name="audit_endpoint_tenant"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(payload__in=Payload.values), name="audit_endpoint_payload"
            ),
            models.CheckConstraint(
                condition=models.Q(is_enabled=True, disabled_because="")
                | models.Q(is_enabled=False, disabled_because__in=Cause.values),
                name="audit_endpoint_disabled_because",
            ),
            models.CheckConstraint(
                condition=models.Q(deleted_at__isnull=True) | models.Q(is_enabled=False),
                name="audit_endpoint_deleted_disabled",
            ),
            check(
                "audit_endpoint_time",
                within_calendar("created_at", "deleted_at", "former_ends_at"),
                "pick_up_overlap BETWEEN '0' AND '7 days'",
            ),
            check(
                "audit_endpoint_ids",
                "tenant <> ''",
                one_line("tenant", "destination", longest=_LONGEST_TEXT),
            ),
        )

    def __str__(self) -> str:
        return f"webhook endpoint {quoted(self.destination)}"

    subject_label = __str__

    @property
    def state(self) -> EndpointState:
        """The state of the endpoint."""
        if self.deleted_at is not None:
            return EndpointState.DELETED
        if not self.is_enabled:
            return EndpointState.DISABLED
        return EndpointState.ENABLED if self.secret else EndpointState.AWAITING_PICK_UP

    def check_not_deleted(self) -> None:
        """Check that the endpoint is not deleted.

        :raises EndpointDeleted: if it is.
        """
        if self.deleted_at is not None:
            raise refusals.EndpointDeleted

    def check_can_send(self) -> None:
        """Check that deliveries to the endpoint are sent.

        :raises EndpointDeleted: if it is deleted.
        :raises EndpointDisabled: if it is disabled.
        :raises NoSecretToSign: if it has no secret yet.
        """
        self.check_not_deleted()
        if not self.is_enabled:
            raise refusals.EndpointDisabled
        if not self.secret:
            raise refusals.NoSecretToSign

    def differing(self, values: dict[str, Any]) -> list[str]:
        """Return the names of the values that the endpoint does not have already."""
        return [name for name, value in values.items() if _plain(getattr(self, name)) != value]

    def change(self, values: dict[str, Any]) -> list[str]:
        """Set new values; return the names of those that differ."""
        self.check_not_deleted()
        changed = self.differing(values)
        for name in changed:
            setattr(self, name, _stored(values[name]))
        if changed:
            self.save(update_fields=changed)
        return changed

    def enable(self) -> bool:
        """Enable the endpoint; return False if it was enabled already."""
        self.check_not_deleted()
        if self.is_enabled:
            return False
        self.is_enabled, self.disabled_because = True, ""
        self.save(update_fields=["is_enabled", "disabled_because"])
        WebhookOutage.objects.filter(endpoint=self).delete()
        return True

    def disable(self, cause: Cause) -> bool:
        """Disable the endpoint; return False if it was disabled already."""
        self.check_not_deleted()
        if not self.is_enabled:
            return False
        self.is_enabled, self.disabled_because = False, cause.value
        self.save(update_fields=["is_enabled", "disabled_because"])
        return True

    def mark_deleted(self) -> bool:
        """Mark the endpoint as deleted, and discard its secrets; return False if it was already."""
        if self.deleted_at is not None:
            return False
        self.is_enabled, self.deleted_at = False, timezone.now()
        self.disabled_because = self.disabled_because or Cause.REQUESTED.value
        self.secret = self.former_secret = self.former_ends_at = None
        self._forget_pick_up()
        self.save(
            update_fields=[
                *("is_enabled", "disabled_because", "deleted_at"),
                *("secret", "former_secret", "former_ends_at", *_PICK_UP),
            ]
        )
        return True

    def await_pick_up(self, actor: Actor, *, overlap: timedelta) -> None:
        """Record the actor who may pick up the next secret, instead of any earlier one."""
        self.pick_up_kind, self.pick_up_id = actor.kind, actor.id
        self.pick_up_person, self.pick_up_label = actor.person_id, actor.label
        self.pick_up_overlap = overlap
        self.save(update_fields=list(_PICK_UP))

    def check_pick_up(self, actor: Actor) -> None:
        """Check that a secret waits for this actor.

        :raises NoSecretWaiting: if none waits.
        :raises NotRequesterOfSecret: if it waits for another actor.
        """
        self.check_not_deleted()
        if not self.pick_up_kind:
            raise refusals.NoSecretWaiting
        is_same = (actor.kind, actor.id) == (self.pick_up_kind, self.pick_up_id)
        is_person = actor.kind == "user" and actor.person_id == self.pick_up_person
        if not (is_same or is_person):
            raise refusals.NotRequesterOfSecret

    def check_rotation(self, overlap: timedelta) -> None:
        """Check that the endpoint would have at most two secrets.

        :raises SecretRotationUnderWay: if not.
        """
        self.check_not_deleted()
        if overlap and self.former_ends_at and self.former_ends_at > timezone.now():
            raise refusals.SecretRotationUnderWay

    def rotate(self, *, overlap: timedelta) -> str:
        """Return a new secret; the current one also signs until the overlap ends."""
        self.check_rotation(overlap)
        has_former = bool(self.secret and overlap)
        self.former_secret = self.secret if has_former else None
        self.former_ends_at = timezone.now() + overlap if has_former else None
        text = self.give_secret()
        self._forget_pick_up()
        self.save(update_fields=["secret", "former_secret", "former_ends_at", *_PICK_UP])
        return text

    def give_secret(self) -> str:
        """Set a new secret, without saving it, and return it."""
        text = secrets.generate()
        self.secret = secrets.encrypt(text, endpoint_id=self.pk)
        return text

    def _forget_pick_up(self) -> None:
        self.pick_up_kind = self.pick_up_id = self.pick_up_person = self.pick_up_label = ""
        self.pick_up_overlap = timedelta()


_PICK_UP = ("pick_up_kind", "pick_up_id", "pick_up_person", "pick_up_label", "pick_up_overlap")


class WebhookOutage(models.Model):
    """An endpoint that has accepted nothing since a time. The next success deletes the row."""

    endpoint = models.OneToOneField(
        WebhookEndpoint, on_delete=models.PROTECT, primary_key=True, related_name="outage"
    )
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = (check("audit_outage_time", within_calendar("since")),)

    def __str__(self) -> str:
        return f"{self.endpoint_id} since {self.since:%Y-%m-%d %H:%M}"


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _stored(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
