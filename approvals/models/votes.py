"""Votes: the decisions of people on requests, each with a proof that it came through the bus.

A delegation is the right to vote in the place of another person, for some groups and a period.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from operator import attrgetter

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals.models.indexes import CONSTRAINTS_OF_DELEGATIONS, CONSTRAINTS_OF_VOTES
from approvals.models.stored import RuleIdsField
from approvals.sealing import payloads
from audit.messages.characters import actor_name
from audit.models.json import ObjectField
from audit.models.lean import LeanModel
from audit.models.records import Evidence
from audit.subjects.types import subject


class Decision(models.TextChoices):
    """A decision of a voter. The newest one counts; after a take-back, the voter has no vote."""

    APPROVE = "approve"
    DENY = "deny"
    TAKE_BACK = "take_back"


@subject(
    "delegation",
    shown=("delegator_id", "delegate_id", "groups", "begins_at", "ends_at"),
    route="countersign:delegation",
)
class Delegation(LeanModel, Evidence):
    """The right of one person to vote in the place of another, for groups of the latter.

    It lasts from ``begins_at`` until ``ends_at``, or until an event in the log ends it earlier.
    ``groups`` are ids.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delegator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    delegator_label = models.TextField("delegator")
    delegate = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    delegate_label = models.TextField("delegate")
    groups = ArrayField(models.IntegerField())
    begins_at = models.DateTimeField("begins")
    ends_at = models.DateTimeField("ends")
    mac = models.TextField()

    class Meta:
        default_permissions = ()
        constraints = CONSTRAINTS_OF_DELEGATIONS
        indexes = (
            models.Index(fields=("delegate", "ends_at"), name="approvals_delegation_delegate"),
            models.Index(fields=("ends_at",), name="approvals_delegation_end"),
        )

    def __str__(self) -> str:
        names = actor_name(self.delegator_label), actor_name(self.delegate_label)
        return "delegation from {} to {}".format(*names)

    subject_label = __str__

    @property
    def signed_content(self) -> bytes:
        """The content that the MAC covers."""
        return payloads.canonical(
            [
                "delegation",
                str(self.id),
                str(self.delegator_id),
                str(self.delegate_id),
                sorted(self.groups),
                self.begins_at.astimezone(UTC).isoformat(),
                self.ends_at.astimezone(UTC).isoformat(),
            ]
        )

    @cached_property
    def is_genuine(self) -> bool:
        """True if a command wrote this row: other rows have no valid MAC."""
        return payloads.is_signed(self.signed_content, self.mac)

    @property
    def is_current(self) -> bool:
        """True within its period."""
        return self.lasts_at(timezone.now())

    def lasts_at(self, time: datetime) -> bool:
        """Return True at a time within its period."""
        return bool(self.begins_at <= time < self.ends_at)

    def sign(self) -> None:
        """Set the MAC, under the newest key."""
        self.mac = payloads.sign(self.signed_content)

    def allows(self, vote: "Vote") -> bool:
        """Return True if a vote was cast by its delegate in the place of its delegator."""
        return (vote.voter_id, vote.delegator_id) == (self.delegate_id, self.delegator_id)


class Vote(LeanModel, Evidence):
    """One person's decision on the content with this digest.

    ``number`` counts the decisions of one person on one request: 1, 2, 3 and so on. ``rules`` are
    the ids of those for which the person was eligible then; ``authenticated_at`` is the time of
    the sign-in, or when it was last confirmed. ``delegator`` is the person in whose place the voter
    has voted, if any. ``assertion`` is the signature by a passkey of the voter, if there is one.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(
        "approvals.ApprovalRequest", on_delete=models.PROTECT, related_name="votes"
    )
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    voter_label = models.TextField()
    delegation = models.ForeignKey(
        Delegation, on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    delegator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
    )
    delegator_label = models.TextField(blank=True, default="", db_default="")
    number = models.PositiveIntegerField(default=1)
    decision = models.CharField(max_length=10, choices=Decision.choices)
    rules = RuleIdsField(default=list)
    digest = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    authenticated_at = models.DateTimeField(null=True)
    client_address = models.GenericIPAddressField(null=True)
    assertion = ObjectField(null=True)
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
        indexes = (
            models.Index(
                fields=("delegator", "request"),
                condition=models.Q(delegator__isnull=False),
                name="approvals_vote_delegator",
            ),
            models.Index(
                fields=("request", "delegation"),
                condition=models.Q(delegation__isnull=False),
                name="approvals_vote_delegation",
            ),
        )

    def __str__(self) -> str:
        return f"{actor_name(self.voter_label)}: {self.decision}"

    @property
    def signed_content(self) -> bytes:
        """The content that the MAC covers."""
        # Votes by own right have the content that they had before there were delegations.
        placed = [str(self.delegation_id), str(self.delegator_id)] if self.delegation_id else []
        signed = [self.assertion] if self.assertion else []
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
                *placed,
                *signed,
            ]
        )

    @property
    def place_id(self) -> int:
        """The id of the person whose place the vote takes: the voter, or the delegator."""
        return self.delegator_id or self.voter_id

    @property
    def place_label(self) -> str:
        """The label of the person whose place the vote takes."""
        return self.delegator_label or self.voter_label

    @property
    def names(self) -> str:
        """The voter, and the person in whose place the voter has voted."""
        return in_place(self.voter_label, self.delegator_label)

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


def newest_by_place(votes: Iterable[Vote]) -> list[Vote]:
    """Return the newest of current votes in each place.

    When it was cast, the place was free, so an earlier one no longer counted.
    """
    newest = {each.place_id: each for each in sorted(votes, key=attrgetter("cast_at"))}
    return list(newest.values())


def in_place(voter: str, delegator: str) -> str:
    """Return the label of a voter, and that of the delegator, if there is one."""
    return f"{actor_name(voter)} for {actor_name(delegator)}" if delegator else actor_name(voter)
