"""Approval requests: held commands, sealed, each with its state and its votes."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals.models import indexes, refusals
from approvals.models.eligibility import Right, rights, taken_on
from approvals.models.managers import RequestManager
from approvals.models.requirements import Requirements, deadline_of, end_of, indexable, open_to
from approvals.models.sealed_rows import SealedRow
from approvals.models.states import ALTERED, State
from approvals.models.stored import RequirementsField
from approvals.models.votes import Decision, Vote, next_number
from approvals.sealing import payloads, values
from audit.actors.actors import Actor
from audit.bus import cases, store
from audit.bus.context import Context
from audit.messages.classes import Command, Subject
from audit.models.json import ObjectField
from audit.models.records import CommandRecord
from audit.subjects.types import subject
from audit.tracking.history import HistoricalRecords


@subject("approval-request", tenant="tenant", route="countersign:approval-request")
class ApprovalRequest(Requirements, SealedRow):
    """A held command, sealed, with the requirements for its execution.

    ``subject_values`` are those of the subject at the time of the request; None if it did not
    exist. ``execute_by`` None means no limit. ``outcome_code`` is the kind of refusal or failure.
    ``voters`` are the people with a current vote, and ``approver_groups`` the groups whose members
    may vote, for lists, which read no votes and no requirements where they are stored. Both are
    None if there are too many for an index, and in rows of earlier versions. The groups are None
    also if not all their members may vote, or the requester may.
    ``pick_up_by`` is the deadline for picking up the created secret, once its status was read.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    command_id = models.UUIDField()
    message_type = models.TextField()
    tenant = models.TextField(blank=True)
    subject_type = models.TextField(blank=True)
    subject_id = models.TextField(blank=True)
    subject_number = models.BigIntegerField()
    subject_values = ObjectField(null=True)
    requester_kind = models.TextField()
    requester_id = models.TextField()
    requester_person = models.TextField(blank=True)
    requester_label = models.TextField("requester")
    channel = models.TextField()
    reason = models.TextField(blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    approve_by = models.DateTimeField()
    execute_by = models.DateTimeField(null=True)
    execute_after = models.DateTimeField(null=True)
    requirements = RequirementsField()
    payload = models.BinaryField()
    seal = models.TextField()
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    decided_at = models.DateTimeField(null=True)
    outcome = models.TextField(blank=True)
    outcome_code = models.CharField(max_length=20, blank=True)
    is_retriable = models.BooleanField(default=False)
    voters = ArrayField(models.IntegerField(), null=True, default=list)
    approver_groups = ArrayField(models.IntegerField(), null=True)

    pick_up_by: datetime | None = None

    objects: ClassVar[RequestManager[Self]] = RequestManager()
    history = HistoricalRecords(
        excluded_fields=("payload", "seal", "approver_groups"),
        silent_fields=("row_seal", "voters"),
    )

    class Meta:
        default_permissions = ("view",)
        constraints = indexes.CONSTRAINTS_OF_REQUESTS
        indexes = indexes.OF_REQUESTS

    def __str__(self) -> str:
        return f"approval request {self.id}"

    subject_label = __str__

    @classmethod
    def hold(cls, command: Command, context: Context, *, requirements: dict[str, Any]) -> Self:
        """Hold a command until the requirements are met.

        :raises Invalid: if the command is too large to be held, or executed at an unsuitable time.
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
            approve_by=deadline_of(options, now=now),
            execute_by=end_of(options.get("execute_within_s"), start=now),
            execute_after=context.execute_after,
            requirements=requirements,
        )
        request.required = requirements
        request.check_time()
        request.add_sealed(command)
        return request

    @classmethod
    def of_command(cls, command_id: UUID) -> "models.QuerySet[ApprovalRequest]":
        """Return the requests of a held command: the newest, and those that it once replaced."""
        return cls.objects.filter(command_id=command_id).order_by("-pk")

    @property
    def subject_reference(self) -> Subject | None:
        """The subject of the held command, if it has one."""
        return Subject(self.subject_type, self.subject_id) if self.subject_type else None

    @property
    def present_state(self) -> State | str:
        """The current state: an overdue request is expired even before that is recorded."""
        is_over = self.state == State.PENDING and timezone.now() >= self.approve_by
        if is_over:
            return State.EXPIRED
        return State(self.state) if self.is_intact else ALTERED

    @property
    def is_open(self) -> bool:
        """True if the command can still be executed."""
        return self.present_state is State.PENDING or self.is_retriable

    @cached_property
    def number(self) -> int:
        """The number of the request's last event when it is first read."""
        return store.current_number(Subject("approval-request", str(self.pk)))

    @cached_property
    def held_record(self) -> CommandRecord:
        """The record of the attempt that was held. Records never change, so it is read once.

        The held command runs for its actor, so a record of another actor does not pass for it.
        """
        requester = (self.requester_kind, self.requester_id, self.requester_person)
        for record in cases.held(self.command_id):
            if (record.actor_kind, record.actor_id, record.actor_person) == requester:
                return record
        raise CommandRecord.DoesNotExist

    def all_votes(self) -> Iterable[Vote]:
        """Return every vote: those that were prefetched, or else those in the database now."""
        kept: Mapping[str, Iterable[Vote]] = getattr(self, "_prefetched_objects_cache", {})
        return kept["votes"] if "votes" in kept else Vote.objects.every(request=self.pk)

    def keep_votes(self, votes: Iterable[Vote]) -> None:
        """Read no votes again: while the row is locked, no other transaction adds any."""
        self._prefetched_objects_cache = {"votes": [*votes]}

    def current_votes(self) -> list[Vote]:
        """Return the current votes: of each person the newest genuine one, if not taken back."""
        newest = {}
        for vote in sorted(self.all_votes(), key=lambda each: each.number):
            if vote.is_genuine:
                newest[vote.voter_id] = vote
        return [vote for vote in newest.values() if vote.decision != Decision.TAKE_BACK]

    @property
    def current_voters(self) -> set[int]:
        """The ids of the people who have a current vote."""
        return {vote.voter_id for vote in self.current_votes()}

    def check_pending(self, *, now: datetime) -> None:
        """Check that the request can still be decided.

        :raises RequestAltered: if it was altered in the database.
        :raises AlreadyDecided: if it is no longer pending.
        :raises TooLate: if its time has expired.
        """
        if not self.is_intact:
            raise refusals.RequestAltered
        if self.state != State.PENDING:
            raise refusals.AlreadyDecided.with_outcome(self.outcome)
        if now >= self.approve_by:
            message = f"This request could be decided until {self.approve_by:%Y-%m-%d %H:%M} UTC."
            raise refusals.TooLate(message)

    def check_is_approver(self, actor: Actor) -> list[Right]:
        """Check that the actor is an approver, or a delegate of one; return the rights to vote.

        :raises Forbidden: with the reason, if not.
        """
        return rights(
            self.required, tenant=self.tenant, requester_person=self.requester_person, actor=actor
        )

    def check_may_vote(self, actor: Actor) -> Right:
        """Check that the actor may vote now; return the right to vote.

        :raises Forbidden: with the reason, if the actor is not an approver.
        :raises Conflict: if the actor has a current vote, or every place has one.
        """
        found = self.check_is_approver(actor)
        if self.vote_of(actor) is not None:
            raise refusals.AlreadyVoted
        votes, person_id = self.current_votes(), int(actor.person_id)
        taken = taken_on(self.pk, votes=votes, tenant=self.tenant)
        for right in found:
            if right.place(person_id) not in taken:
                return right
        raise refusals.DelegatorHasVoted if found[0].delegation else refusals.DelegateHasVoted

    def vote_of(self, actor: Actor) -> Vote | None:
        """Return the current vote of an actor."""
        votes = self.current_votes() if actor.kind == "user" else []
        return next((vote for vote in votes if str(vote.voter_id) == actor.person_id), None)

    def cast(
        self, decision: Decision, *, context: Context, seen: str, sign: Callable[[Vote], Any]
    ) -> Vote:
        """Add a vote; ``seen`` is the digest of the content that the voter saw.

        ``sign`` returns the signature of the vote by a passkey, or None if none is required.

        :raises SeenAnother: if this is not the digest of the request.
        :raises Conflict: if the request is decided, or the voter has voted.
        :raises Forbidden: if the voter may not vote.
        """
        self.check_pending(now=timezone.now())
        right = self.check_may_vote(context.actor)
        if seen != self.digest:
            raise refusals.SeenAnother
        return self._add_vote(decision, context=context, right=right, sign=sign)

    def take_back(self, *, context: Context, seen: str) -> Vote:
        """Take back the actor's current vote, so that the actor may vote again.

        :raises SeenAnother: if ``seen`` is not the digest of the request.
        :raises Conflict: if the request is decided, or the actor has no current vote.
        """
        self.check_pending(now=timezone.now())
        taken = self.vote_of(context.actor)
        if taken is None:
            raise refusals.NothingToTakeBack
        if seen != self.digest:
            raise refusals.SeenAnother
        right = Right(taken.rules, taken.delegation)
        vote = self._add_vote(Decision.TAKE_BACK, context=context, right=right, sign=lambda _: None)
        self.keep_voters()
        return vote

    def keep_voters(self) -> None:
        """Store the current voters of a request that stays pending, without a history row."""
        self.seal_row()
        self.save(update_fields=("voters", "row_seal"))

    def settle(
        self, state: State, *, outcome: str, outcome_code: str = "", is_retriable: bool = False
    ) -> None:
        """End the request; permanently, unless it is retriable."""
        self.state, self.outcome, self.decided_at = state, outcome, timezone.now()
        self.outcome_code, self.is_retriable = outcome_code, is_retriable
        self.seal_row()
        self.save(update_fields=_SETTLED)

    def add_sealed(self, command: Command) -> None:
        """Insert this row, with the command sealed for it."""
        self.digest = payloads.digest(command, execute_after=self.execute_after)
        sealed = payloads.seal(command, self.binding)
        self.payload, self.seal = sealed.payload, sealed.seal
        self.approver_groups = open_to(self.requirements)
        self.seal_row()
        self.add()

    def _add_vote(
        self, decision: Decision, *, context: Context, right: Right, sign: Callable[[Vote], Any]
    ) -> Vote:
        voter_id, votes = int(context.actor.person_id), [*self.all_votes()]
        vote = Vote(
            request=self,
            voter_id=voter_id,
            voter_label=context.actor.label,
            number=next_number(each for each in votes if each.voter_id == voter_id),
            decision=decision,
            rules=right.rules,
            digest=self.digest,
            comment=context.reason,
            authenticated_at=context.request.authenticated_at,
            client_address=context.request.client_address,
        )
        if right.delegation:
            vote.delegation, vote.delegator_id = right.delegation, right.delegation.delegator_id
            vote.delegator_label = right.delegation.delegator_label
        vote.assertion = sign(vote)
        vote.mac = payloads.sign(vote.signed_content)
        vote.add()
        self.keep_votes([*votes, vote])
        self.voters = indexable(self.current_voters)
        return vote


_SETTLED = ("state", "outcome", "outcome_code", "is_retriable", "decided_at", "voters", "row_seal")
