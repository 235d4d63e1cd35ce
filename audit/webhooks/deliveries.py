"""Deliveries of events to webhook endpoints, and their attempts.

They are the state of the sender, not evidence: they can be deleted, and are, after some time.
"""

from django.db import models
from django.db.models.functions import Now

from audit.models.constraints import check, within_calendar
from audit.webhooks.models import WebhookEndpoint


class DeliveryState(models.TextChoices):
    """The state of a delivery: to be sent, accepted, or given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(models.Model):
    """An event that is sent to an endpoint, until it is accepted or the schedule ends.

    ``step`` is the number of attempts in the schedule so far. A sender that takes the row sets
    ``leased_until``: after that, another one may take it.
    """

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    event_id = models.UUIDField()
    state = models.TextField(choices=DeliveryState.choices, db_default=DeliveryState.PENDING)
    step = models.PositiveSmallIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    next_attempt_at = models.DateTimeField(null=True, db_default=Now())
    leased_until = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        default_permissions = ()
        indexes = (
            models.Index(
                fields=("endpoint", "next_attempt_at", "id"),
                condition=models.Q(state="pending"),
                name="audit_delivery_due",
            ),
            models.Index(
                fields=("endpoint",),
                condition=models.Q(leased_until__isnull=False),
                name="audit_delivery_leased",
            ),
            models.Index(fields=("endpoint", "-id"), name="audit_delivery_newest"),
            models.Index(fields=("settled_at",), name="audit_delivery_settled"),
        )
        constraints = (
            models.UniqueConstraint(fields=("endpoint", "event_id"), name="audit_delivery_once"),
            models.CheckConstraint(
                condition=models.Q(state="pending", next_attempt_at__isnull=False)
                | models.Q(state__in=("delivered", "failed"), next_attempt_at__isnull=True),
                name="audit_delivery_next_attempt",
            ),
            check(
                "audit_delivery_time",
                within_calendar("created_at", "next_attempt_at", "leased_until", "settled_at"),
            ),
        )

    def __str__(self) -> str:
        return f"delivery of {self.event_id} to {self.endpoint_id}"


class WebhookAttempt(models.Model):
    """One attempt at a delivery. ``status`` is that of the response, ``response`` its beginning."""

    delivery = models.ForeignKey(
        WebhookDelivery, on_delete=models.CASCADE, related_name="attempts", db_index=False
    )
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(blank=True)
    response = models.TextField(blank=True)

    class Meta:
        verbose_name = "webhook attempt"
        default_permissions = ()
        indexes = (models.Index(fields=("delivery", "id"), name="audit_attempt_of_delivery"),)
        constraints = (check("audit_attempt_time", within_calendar("at")),)

    def __str__(self) -> str:
        return f"{self.status or self.error} at {self.at:%Y-%m-%d %H:%M:%S}"
