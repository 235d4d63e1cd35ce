"""Held commands, sealed, and where each of them stands."""

from copy import copy
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals.models import deadlines, indexes, refusals
from approvals.models.eligibility import eligible_rules
from approvals.models.managers import RequestManager
from approvals.models.states import State
from approvals.models.votes import Decision, Vote
from approvals.sealing import payloads, values
from audit.actors.actors import Actor
from audit.bus import cases
from audit.bus.context import Context
from audit.messages.classes import Command, Subject
from audit.models.lean import LeanModel
from audit.models.records import CommandRecord
from audit.subjects.types import subject
from audit.tracking.history import HistoricalRecords
from audit.wire import rows


@subject("approval-request", tenant="tenant", route="approval-request")
class ApprovalRequest(LeanModel):
    """A held command, sealed, with what has to be met before it is carried out.

    ``subject_values`` are those of the subject when it was asked for; None where it did not exist.
    ``execute_by`` None is no limit. ``outcome_code`` tells the kind of a refusal or a failure.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    command_id = models.UUIDField()
    message_type = models.TextField()
    tenant = models.TextField(blank=True)
    subject_type = models.TextField(blank=True)
    subject_id = models.TextField(blank=True)
    subject_number = models.BigIntegerField()
    subject_values = models.JSONField(null=True)
    requester_kind = models.TextField()
    requester_id = models.TextField()
    requester_person = models.TextField(blank=True)
    requester_label = models.TextField("requester")
    channel = models.TextField()
    reason = models.TextField(blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    approve_by = models.DateTimeField()
    execute_by = models.DateTimeField(null=True)
    requirements = models.JSONField()
    payload = models.BinaryField()
    seal = models.TextField()
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    decided_at = models.DateTimeField(null=True)
    outcome = models.TextField(blank=True)
    outcome_code = models.CharField(max_length=20, blank=True)
    is_retriable = models.BooleanField(default=False)

    objects: ClassVar[RequestManager[Self]] = RequestManager()
    history = HistoricalRecords(excluded_fields=("payload", "seal"))

    _verified: tuple[object, payloads.Unsealed] | None = None

    class Meta:
        default_permissions = ("view",)
        constraints = indexes.CONSTRAINTS_OF_REQUESTS
        indexes = indexes.OF_REQUESTS

    def __str__(self) -> str:
        return f"approval request {self.id}"

    @classmethod
    def hold(cls, command: Command, context: Context, *, requirements: dict[str, Any]) -> Self:
        """Hold a command until the requirements are met.

        :raises Invalid: if the command is too large to be held.
        """
        now, options = timezone.now(), requirements.get("options", {})
        request = cls(
            command_id=context.command_id,
            message_type=command.message_type,
            tenant=context.tenant,
            subject_type=context.subject.type if context.subject else "",
            subject_id=context.subject.id if context.subject else "",
            subject_number=context.subject_number,
            subject_values=values.present_values(context.subject),
            requester_kind=context.actor.kind,
            requester_id=context.actor.id,
            requester_person=context.actor.person_id,
            requester_label=context.actor.label,
            channel=context.channel,
            reason=context.reason,
            requested_at=now,
            approve_by=deadlines.approve_by(options, now=now),
            execute_by=deadlines.execute_by(options, now=now),
            requirements=requirements,
        )
        request.add_sealed(command)
        return request

    @classmethod
    def of_command(cls, command_id: UUID) -> "models.QuerySet[ApprovalRequest]":
        """Find the one request of a held command that has not given way to a stricter one."""
        return cls.objects.exclude(state=State.SUPERSEDED).filter(command_id=command_id)

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
            # Not a digest but all requirements in hexadecimal: the sealed format cannot change.
            policy_digest=payloads.canonical(self.requirements).hex(),
            approve_by=self.approve_by.isoformat(),
            execute_by=self.execute_by.isoformat() if self.execute_by else "",
            subject_values=payloads.canonical(self.subject_values).hex(),
        )

    @property
    def subject_reference(self) -> Subject | None:
        """What the held command is about, if it is about one thing."""
        return Subject(self.subject_type, self.subject_id) if self.subject_type else None

    @property
    def present_state(self) -> State:
        """Where the request stands now: it expires by itself, written down or not."""
        is_over = self.state == State.PENDING and timezone.now() >= self.approve_by
        return State.EXPIRED if is_over else State(self.state)

    @property
    def options(self) -> dict[str, Any]:
        """What the policies asked for beside the rules."""
        return dict(self.requirements.get("options", {}))

    @property
    def group_ids(self) -> set[int]:
        """The groups whose people may approve."""
        return {rule["group_id"] for rule in self.requirements["rules"]}

    @property
    def minimum_membership_s(self) -> int:
        """For how many seconds one must have been in a group to vote for it."""
        return int(self.options.get("minimum_membership_s", 0))

    def held_record(self) -> CommandRecord:
        """Find the record of the attempt that was held."""
        return copy(self._held_record)

    @cached_property
    def _held_record(self) -> CommandRecord:
        # No record ever changes, so it is read once.
        return cases.held(self.command_id)

    def command(self) -> Command:
        """Return the held command.

        :raises Unloadable: if the payload is not what was sealed for this row.
        """
        return self.unsealed().command

    def unsealed(self) -> payloads.Unsealed:
        """Return the content of the payload, once its seal and its digest are verified.

        :raises Unloadable: if the payload is not what was sealed for this row.
        """
        sealed = payloads.Sealed(bytes(self.payload), self.seal)
        content = (sealed, self.binding, self.digest)
        # It is opened once, unless something changed of what was verified.
        if self._verified is None or self._verified[0] != content:
            unsealed = payloads.unseal(sealed, self.binding)
            if unsealed.digest != self.digest:
                raise payloads.Altered
            self._verified = (content, unsealed)
        return self._verified[1]

    def current_votes(self) -> list[Vote]:
        """Find the votes that count for something: of each person the newest genuine one."""
        newest = {}
        for vote in sorted(Vote.of(self), key=lambda each: each.number):
            if vote.is_genuine:
                newest[vote.voter_id] = vote
        return [vote for vote in newest.values() if vote.decision != Decision.TAKE_BACK]

    def check_pending(self, *, now: datetime) -> None:
        """Refuse what comes after the decision.

        :raises AlreadyDecided: if the request is no longer pending.
        :raises TooLate: if its time is over.
        """
        if self.state != State.PENDING:
            message = f"This request is already {self.get_state_display().lower()}. {self.outcome}"
            raise refusals.AlreadyDecided(message.strip())
        if now >= self.approve_by:
            message = f"This request could be decided until {self.approve_by:%Y-%m-%d %H:%M} UTC."
            raise refusals.TooLate(message)

    def check_is_approver(self, actor: Actor) -> list[str]:
        """Refuse who has no say in this request; return the ids of the rules that ask for them.

        :raises Forbidden: in words that say why.
        """
        return eligible_rules(
            self.requirements, requester_person=self.requester_person, actor=actor
        )

    def check_may_vote(self, actor: Actor) -> list[str]:
        """Refuse who may not vote on this request now; return the ids of the rules they vote for.

        :raises Forbidden: in words that say why.
        :raises AlreadyVoted: if a vote of theirs stands.
        """
        rules = self.check_is_approver(actor)
        if self.vote_of(actor) is not None:
            raise refusals.AlreadyVoted
        return rules

    def vote_of(self, actor: Actor) -> Vote | None:
        """Find the vote of a person that stands."""
        votes = self.current_votes() if actor.kind == "user" else []
        return next((vote for vote in votes if str(vote.voter_id) == actor.person_id), None)

    def cast(self, decision: Decision, *, context: Context, seen: str) -> Vote:
        """Take a vote, together with the digest of what its voter saw.

        :raises SeenAnother: if that is not what this request asks for.
        :raises Conflict: if the request is decided, or the voter has voted.
        :raises Forbidden: if the voter may not vote.
        """
        self.check_pending(now=timezone.now())
        rules = self.check_may_vote(context.actor)
        if seen != self.digest:
            raise refusals.SeenAnother
        return self._add_vote(decision, context=context, rules=rules)

    def take_back(self, *, context: Context, seen: str) -> Vote:
        """Let a person's vote count no more; after that, the person may vote again.

        :raises SeenAnother: if what the person saw is not what this request asks for.
        :raises Conflict: if the request is decided, or the person has no vote that stands.
        """
        self.check_pending(now=timezone.now())
        taken = self.vote_of(context.actor)
        if taken is None:
            raise refusals.NothingToTakeBack
        if seen != self.digest:
            raise refusals.SeenAnother
        return self._add_vote(Decision.TAKE_BACK, context=context, rules=taken.rules)

    def settle(
        self, state: State, *, outcome: str, outcome_code: str = "", is_retriable: bool = False
    ) -> None:
        """End the request; for good, unless what failed can be tried again."""
        self.state, self.outcome, self.decided_at = state, outcome, timezone.now()
        self.outcome_code, self.is_retriable = outcome_code, is_retriable
        self.save(update_fields=["state", "outcome", "outcome_code", "is_retriable", "decided_at"])

    def supersede(self, command: Command, *, requirements: dict[str, Any]) -> Self:
        """End this request for a stricter one of the same command, on which votes start anew."""
        now, options = timezone.now(), requirements["options"]
        kept = {name: getattr(self, name) for name in _ASKED_ONCE}
        successor = type(self)(**kept, requirements=requirements)
        successor.approve_by = min(self.approve_by, deadlines.approve_by(options, now=now))
        ends = (self.execute_by, deadlines.execute_by(options, now=now))
        successor.execute_by = min(filter(None, ends), default=None)
        self.settle(State.SUPERSEDED, outcome=f"Replaced by a stricter request: {successor}.")
        successor.add_sealed(command)
        return successor

    def add_sealed(self, command: Command) -> None:
        """Add this row, with the command sealed for it."""
        self.digest = payloads.digest(command)
        sealed = payloads.seal(command, self.binding)
        self.payload, self.seal = sealed.payload, sealed.seal
        self.add()

    def _add_vote(self, decision: Decision, *, context: Context, rules: list[str]) -> Vote:
        voter = rows.found(get_user_model(), pk=context.actor.person_id)
        Vote.keep(self)
        # A row that somebody put in by hand takes up its number as well.
        numbers = [vote.number for vote in Vote.of(self) if vote.voter_id == voter.pk]
        vote = Vote(
            request=self,
            voter=voter,
            voter_label=context.actor.label,
            number=max(numbers, default=0) + 1,
            decision=decision,
            rules=rules,
            digest=self.digest,
            comment=context.reason,
            authenticated_at=voter.last_login,
            client_address=context.request.client_address,
        )
        vote.mac = payloads.sign(vote.signed_content)
        vote.add()
        Vote.keep(self, vote)
        return vote


# What stays as it was when a request gives way to a stricter one.
_ASKED_ONCE = (
    *("command_id", "message_type", "tenant", "subject_type", "subject_id", "subject_number"),
    *("subject_values", "requester_kind", "requester_id", "requester_person", "requester_label"),
    *("channel", "reason", "requested_at"),
)
