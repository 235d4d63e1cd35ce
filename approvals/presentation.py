"""Approval requests as approvers read them: what is asked for, how far it is, who may decide."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.timesince import timeuntil

from approvals import policies
from approvals.flags import flags_of, requester_flags
from approvals.models import ApprovalRequest, State
from approvals.payloads import Unloadable
from approvals.raising import check_may_be_raised_again
from audit.actors import Actor
from audit.exceptions import CommandError
from audit.messages import Command, Subject
from audit.subjects import labels
from audit.words import fields, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One rule of a request, and how many of its people approve now."""

    group_id: int
    group: str
    quorum: int
    have: int

    def __str__(self) -> str:
        return f"{min(self.have, self.quorum)} of {self.quorum} {self.group}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A request with what its verified payload says.

    If that cannot be verified, ``command`` is None and ``problem`` says why. ``flags`` say what
    would stop it even if it is approved.
    """

    request: ApprovalRequest
    command: Command | None
    problem: str
    sentence: str
    requirements: list[Requirement]
    flags: list[str]
    now: datetime

    @property
    def progress(self) -> str:
        """How many of the approvals that it takes are there."""
        return ", ".join(map(str, self.requirements))

    @property
    def time_left(self) -> str:
        """How long it can still be decided; empty if it is decided."""
        if self.request.state != State.PENDING:
            return ""
        if self.request.approve_by <= self.now:
            return "time is over"
        return f"{timeuntil(self.request.approve_by, self.now, depth=1)} left"

    @property
    def is_urgent(self) -> bool:
        """Whether little time is left, or none."""
        return (self.request.approve_by - self.now).days < 1

    @property
    def short_digest(self) -> str:
        """The first digits of the digest, as people compare them."""
        return f"{self.request.digest[:4]}-{self.request.digest[4:8]}"

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the command would do, value by value: what the digest covers."""
        return fields(self.command.as_json()) if self.command else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What one person may do about a request now, and why no more than that."""

    obstacle: str
    missing_after: int
    may_approve: bool
    may_deny: bool
    may_withdraw: bool
    may_take_back: bool
    may_retry: bool
    may_raise_again: bool
    warnings: list[str]

    @property
    def approve_words(self) -> str:
        """What the button says: the consequence."""
        if self.missing_after:
            return f"Approve ({self.missing_after} more needed after you)"
        return "Approve and carry it out now: you are the last vote needed"


def present(requests: Iterable[ApprovalRequest], *, actor: Actor) -> list[Presented]:
    """Read requests for somebody: one query for votes, one for voters, one a subject type."""
    requests = list(requests)
    prefetch_related_objects(requests, "votes")
    counted = policies.counted_voters_of(requests)
    opened = [_open(request) for request in requests]
    subjects = [command.subject_reference() for command, _ in opened if command]
    names = labels(filter(None, subjects), actor=actor)
    flags = flags_of(requests)
    return [
        Presented(
            request=request,
            command=command,
            problem=problem,
            sentence=_sentence(command, names) if command else words(request.message_type),
            requirements=_requirements(request, counted[request.pk]),
            flags=flags.get(request.pk, []),
            now=timezone.now(),
        )
        for request, (command, problem) in zip(requests, opened, strict=True)
    ]


def ballot(presented: Presented, *, actor: Actor) -> Ballot:
    """Tell what somebody may do about a request, by the same checks that the votes go through."""
    request = presented.request
    undecided = _obstacle(lambda: request.check_pending(now=presented.now))
    obstacle = undecided or _obstacle(lambda: request.check_may_vote(actor))
    return Ballot(
        obstacle=obstacle,
        missing_after=_missing_after(presented, actor),
        may_approve=not obstacle and presented.command is not None,
        may_deny=not obstacle,
        may_withdraw=not undecided and actor.person_id == request.requester_person,
        may_take_back=not undecided and request.vote_of(actor) is not None,
        may_retry=request.is_retriable and _may_retry(request, actor),
        may_raise_again=presented.command is not None and _may_raise_again(request, actor),
        warnings=sorted({*presented.flags, *requester_flags(request, presented.command)}),
    )


def _may_retry(request: ApprovalRequest, actor: Actor) -> bool:
    is_own = actor.person_id == request.requester_person
    return is_own or not _obstacle(lambda: request.check_is_approver(actor))


def _may_raise_again(request: ApprovalRequest, actor: Actor) -> bool:
    return not _obstacle(lambda: check_may_be_raised_again(request, actor=actor))


def _open(request: ApprovalRequest) -> tuple[Command | None, str]:
    try:
        return request.command(), ""
    except Unloadable as problem:
        return None, problem.message


def _sentence(command: Command, names: dict[Subject, str]) -> str:
    subject = command.subject_reference()
    return command.describe(names[subject] if subject else "")


def _requirements(request: ApprovalRequest, counted: dict[str, int]) -> list[Requirement]:
    return [
        Requirement(
            group_id=rule["group_id"],
            group=rule["group"],
            quorum=rule["quorum"],
            have=counted[rule["id"]],
        )
        for rule in request.requirements["rules"]
    ]


def _obstacle(check: Callable[[], Any]) -> str:
    try:
        check()
    except CommandError as refusal:
        return refusal.message
    return ""


def _missing_after(presented: Presented, actor: Actor) -> int:
    """Count the approvals that are still missing once this person has approved."""
    own = set(Group.objects.filter(user__pk=actor.person_id).values_list("pk", flat=True))
    return sum(
        max(rule.quorum - rule.have - (rule.group_id in own), 0) for rule in presented.requirements
    )
