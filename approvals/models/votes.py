"""Votes: the decisions of people on requests, each with a proof that it came through the bus."""

from collections.abc import Iterable
from functools import cached_property
from itertools import count

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals.models.indexes import CONSTRAINTS_OF_VOTES
from approvals.models.stored import RuleIdsField
from approvals.sealing import payloads
from audit.messages.characters import actor_name
from audit.models.lean import LeanModel
from audit.models.records import Evidence


class Decision(models.TextChoices):
    """A decision of a voter. The newest one counts; after a take-back, the voter has no vote."""

    APPROVE = "approve"
    DENY = "deny"
    TAKE_BACK = "take_back"


class Vote(LeanModel, Evidence):
    """One person's decision on the content with this digest.

    ``number`` counts the decisions of one person on one request: 1, 2, 3 and so on. ``rules`` are
    the ids of those for which the person was eligible then; ``authenticated_at`` is the time of
    the sign-in.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(
        "approvals.ApprovalRequest", on_delete=models.PROTECT, related_name="votes"
    )
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    voter_label = models.TextField()
    number = models.PositiveIntegerField(default=1)
    decision = models.CharField(max_length=10, choices=Decision.choices)
    rules = RuleIdsField(default=list)
    digest = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    authenticated_at = models.DateTimeField(null=True)
    client_address = models.GenericIPAddressField(null=True)
    cast_at = models.DateTimeField(default=timezone.now)
    mac = models.TextField()

    class Meta:
        default_permissions = ()
        constraints = (
            # In this order its index alone answers on which requests a person has a current vote.
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
            *CONSTRAINTS_OF_VOTES,
        )

    def __str__(self) -> str:
        return f"{actor_name(self.voter_label)}: {self.decision}"

    @property
    def signed_content(self) -> bytes:
        """The content that the MAC covers."""
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

    @cached_property
    def is_genuine(self) -> bool:
        """True if the vote, as it was read, came through the bus: other rows have no valid MAC."""
        return payloads.is_signed(self.signed_content, self.mac)


def next_number(votes: Iterable[Vote]) -> int:
    """Return the number of a person's next vote on the request of these votes.

    A vote that was inserted by hand neither counts nor uses up the numbers; its own is taken.
    """
    genuine = {vote.number: vote.is_genuine for vote in votes}
    last = max((number for number, counts in genuine.items() if counts), default=0)
    return next(number for number in count(last + 1) if number not in genuine)
