from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals import payloads
from audit.actors import Actor
from audit.context import Context
from audit.exceptions import Conflict, Forbidden, PreconditionFailed
from audit.history import HistoricalRecords
from audit.messages import Command
from audit.models import CommandRecord, Evidence, Status
from audit.registry import subject


class AlreadyDisabled(Conflict):
    """The policy is disabled already."""


class AlreadyDecided(Conflict):
    """The request is decided already."""


class AlreadyVoted(Conflict):
    """You have voted on this request already."""


class TooLate(Conflict):
    """The time to approve this request is over."""


class OwnRequest(Forbidden):
    """You asked for this yourself, or a key of yours did: others have to approve it."""


class NotAnApprover(Forbidden):
    """You belong to no group that may approve this request."""


class NotAPerson(Forbidden):
    """Only people vote, signed in as themselves; keys and programs do not."""


class NotTheRequester(Forbidden):
    """Only who asked for this may withdraw it."""


class SeenAnother(PreconditionFailed):
    """What you saw is not what this request asks for: open it again, then decide."""


@subject("policy")
class Policy(models.Model):
    """Says that commands of a type are held until enough people approve them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message_type = models.CharField("governs", max_length=200, unique=True)
    is_enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)

    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "policies"
        default_permissions = ("view",)
        permissions = (("manage_policy", "Can create, change and disable policies"),)

    def __str__(self) -> str:
        return f"policy on {self.message_type}"

    def disable(self) -> None:
        """Hold nothing any more.

        :raises AlreadyDisabled: if the policy does so.
        """
        if not self.is_enabled:
            raise AlreadyDisabled
        self.is_enabled, self.version = False, self.version + 1
        self.save(update_fields=["is_enabled", "version"])


class Rule(models.Model):
    """One group of people, and how many of them have to approve."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy = models.OneToOneField(Policy, on_delete=models.PROTECT)
    group = models.ForeignKey(Group, on_delete=models.PROTECT)
    quorum = models.PositiveSmallIntegerField()

    history = HistoricalRecords()

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                condition=models.Q(quorum__gte=1), name="approvals_rule_quorum_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quorum} of {self.group}"


class State(models.TextChoices):
    """Where an approval request stands. All but pending are final."""

    PENDING = "pending"
    EXECUTED = "executed"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    FAILED = "failed"


@subject("approval-request", tenant="tenant")
class ApprovalRequest(models.Model):
    """A held command, sealed, with what has to be met before it is carried out."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    command_id = models.UUIDField(unique=True)
    message_type = models.TextField()
    tenant = models.TextField(blank=True)
    subject_type = models.TextField(blank=True)
    subject_id = models.TextField(blank=True)
    subject_number = models.BigIntegerField()
    requester_kind = models.TextField()
    requester_id = models.TextField()
    requester_person = models.TextField(blank=True)
    requester_label = models.TextField("requester")
    channel = models.TextField()
    reason = models.TextField(blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    approve_by = models.DateTimeField()
    requirements = models.JSONField()
    payload = models.BinaryField()
    seal = models.TextField()
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    decided_at = models.DateTimeField(null=True)
    outcome = models.TextField(blank=True)

    history = HistoricalRecords(excluded_fields=("payload", "seal"))

    class Meta:
        default_permissions = ("view",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=State.values), name="approvals_request_state_known"
            ),
        )
        indexes = (models.Index(fields=("state", "-requested_at"), name="approvals_request_state"),)

    def __str__(self) -> str:
        return f"approval request {self.id}"

    @classmethod
    def hold(cls, command: Command, context: Context, *, requirements: dict[str, Any]) -> Self:
        """Hold a command until the requirements are met.

        :raises Invalid: if the command is too large to be held.
        """
        now = timezone.now()
        request = cls(
            command_id=context.command_id,
            message_type=command.message_type,
            tenant=context.tenant,
            subject_type=context.subject.type if context.subject else "",
            subject_id=context.subject.id if context.subject else "",
            subject_number=context.subject_number,
            requester_kind=context.actor.kind,
            requester_id=context.actor.id,
            requester_person=context.actor.person_id,
            requester_label=context.actor.label,
            channel=context.channel,
            reason=context.reason,
            requested_at=now,
            approve_by=now + settings.APPROVALS_APPROVE_WITHIN,
            requirements=requirements,
            digest=payloads.digest(command),
        )
        sealed = payloads.seal(command, request.binding)
        request.payload, request.seal = sealed.payload, sealed.seal
        request.save(force_insert=True)
        return request

    @property
    def binding(self) -> payloads.Binding:
        """What ties the payload to this row."""
        return payloads.Binding(
            request_id=str(self.pk),
            command_id=str(self.command_id),
            requester_kind=self.requester_kind,
            requester_id=self.requester_id,
            requester_person=self.requester_person,
            subject_type=self.subject_type,
            subject_id=self.subject_id,
            subject_number=self.subject_number,
            policy_digest=payloads.canonical(self.requirements).hex(),
            approve_by=self.approve_by.isoformat(),
        )

    def held_record(self) -> CommandRecord:
        """Find the record of the attempt that was held."""
        return CommandRecord.objects.get(command_id=self.command_id, status=Status.POSTPONED)

    def command(self) -> Command:
        """Read the held command.

        :raises Unloadable: if the payload is not what was sealed for this row.
        """
        sealed = payloads.Sealed(bytes(self.payload), self.seal)
        command = payloads.unseal(sealed, self.binding)
        if payloads.digest(command) != self.digest:
            raise payloads.Altered
        return command

    def check_pending(self, *, now: datetime) -> None:
        """Refuse what comes after the decision.

        :raises AlreadyDecided: if the request is no longer pending.
        """
        if self.state != State.PENDING:
            message = f"This request is {self.get_state_display().lower()} already. {self.outcome}"
            raise AlreadyDecided(message.strip())
        if now >= self.approve_by:
            message = f"This request could be decided until {self.approve_by:%Y-%m-%d %H:%M} UTC."
            raise TooLate(message)

    def check_may_vote(self, actor: Actor) -> None:
        """Refuse who may not vote on this request, whatever else that one may do.

        :raises Forbidden: in words that say why.
        """
        if actor.kind != "user":
            raise NotAPerson
        if actor.person_id == self.requester_person:
            raise OwnRequest
        groups = [rule["group_id"] for rule in self.requirements["rules"]]
        if not Group.objects.filter(pk__in=groups, user=int(actor.person_id)).exists():
            names = ", ".join(rule["group"] for rule in self.requirements["rules"])
            message = f"You do not belong to {names}, whose members may approve this request."
            raise NotAnApprover(message)
        if self.votes.filter(voter_id=int(actor.person_id)).exists():
            raise AlreadyVoted

    def cast(self, decision: "Decision", *, actor: Actor, seen: str, comment: str) -> "Vote":
        """Take a vote, together with the digest of what its voter saw.

        :raises SeenAnother: if that is not what this request asks for.
        :raises Conflict: if the request is decided, or the voter has voted.
        :raises Forbidden: if the voter may not vote.
        """
        self.check_pending(now=timezone.now())
        self.check_may_vote(actor)
        if seen != self.digest:
            raise SeenAnother
        vote = Vote(
            request=self,
            voter_id=int(actor.person_id),
            voter_label=actor.label,
            decision=decision,
            digest=seen,
            comment=comment,
        )
        vote.mac = payloads.sign(vote.signed_content)
        vote.save(force_insert=True)
        return vote

    def settle(self, state: State, *, outcome: str) -> None:
        """End the request."""
        self.state, self.outcome, self.decided_at = state, outcome, timezone.now()
        self.save(update_fields=["state", "outcome", "decided_at"])


class Decision(models.TextChoices):
    """What a vote says."""

    APPROVE = "approve"
    DENY = "deny"


class Vote(Evidence):
    """One person's decision on what that person saw."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    voter_label = models.TextField()
    decision = models.CharField(max_length=10, choices=Decision.choices)
    digest = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    cast_at = models.DateTimeField(default=timezone.now)
    mac = models.TextField()

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("request", "voter"), name="approvals_vote_once"),
        )

    def __str__(self) -> str:
        return f"{self.voter_label}: {self.decision}"

    @property
    def signed_content(self) -> bytes:
        """What the MAC covers."""
        return payloads.canonical(
            ["vote", str(self.request_id), str(self.voter_id), self.decision, self.digest]
        )

    @property
    def is_genuine(self) -> bool:
        """Whether the vote came through the bus: a row inserted by hand has no valid MAC."""
        return payloads.is_signed(self.signed_content, self.mac)
