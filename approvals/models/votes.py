"""What one person decided about one request, and the proof that it came through the bus."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals.sealing import payloads
from audit.models.lean import LeanModel
from audit.models.records import Evidence
from audit.wire import rows
from audit.wire.statements import Call


class Decision(models.TextChoices):
    """What a vote says. The newest one of a person counts; after a take-back, none does."""

    APPROVE = "approve"
    DENY = "deny"
    TAKE_BACK = "take_back"


class Vote(LeanModel, Evidence):
    """One person's decision on what that person saw.

    ``number`` counts the decisions of one person on one request: 1, 2, 3 and so on. ``rules`` are
    the ids of those for which the person was eligible then; ``authenticated_at`` is when the
    person had signed in.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(
        "approvals.ApprovalRequest", on_delete=models.PROTECT, related_name="votes"
    )
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    voter_label = models.TextField()
    number = models.PositiveIntegerField(default=1)
    decision = models.CharField(max_length=10, choices=Decision.choices)
    rules = models.JSONField(default=list)
    digest = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    authenticated_at = models.DateTimeField(null=True)
    client_address = models.GenericIPAddressField(null=True)
    cast_at = models.DateTimeField(default=timezone.now)
    mac = models.TextField()

    class Meta:
        default_permissions = ()
        constraints = (
            # In this order it also tells, by itself, on what somebody's vote stands.
            models.UniqueConstraint(
                fields=("voter", "request", "number"),
                include=("decision",),
                name="approvals_vote_number_once",
            ),
            models.CheckConstraint(
                condition=models.Q(number__gte=1), name="approvals_vote_number_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(decision__in=Decision.values),
                name="approvals_vote_decision_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.voter_label}: {self.decision}"

    @classmethod
    def of(cls, request: models.Model) -> Iterable[Self]:
        """Find every vote: those that were fetched with many requests, or those there are now."""
        fetched: Mapping[str, Iterable[Self]] = getattr(request, "_prefetched_objects_cache", {})
        return fetched["votes"] if "votes" in fetched else cls.objects.every(request=request.pk)

    @classmethod
    def selection(cls, request: models.Model) -> Call:
        """Return the statement that `of` executes, to be prefetched."""
        return rows.selection(cls, request=request.pk)

    @classmethod
    def keep(cls, request: Any, *cast: Self) -> None:
        """Read the votes on a request once: under the lock on it nobody casts but who holds it."""
        request._prefetched_objects_cache = {"votes": [*cls.of(request), *cast]}  # noqa: SLF001  # Django's own place

    @property
    def signed_content(self) -> bytes:
        """What the MAC covers."""
        return payloads.canonical(
            [
                "vote",
                str(self.request_id),
                str(self.voter_id),
                self.number,
                self.decision,
                sorted(self.rules),
                self.digest,
                self.comment,
                self.authenticated_at.isoformat() if self.authenticated_at else None,
                self.client_address,
                self.cast_at.isoformat(),
            ]
        )

    @property
    def is_genuine(self) -> bool:
        """Whether the vote came through the bus: a row inserted by hand has no valid MAC."""
        return payloads.is_signed(self.signed_content, self.mac)
