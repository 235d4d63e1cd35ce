"""Approval requests as approvers see them: the command, the progress, and who may decide."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, prefetch_related_objects
from django.utils import timezone
from django.utils.timesince import timeuntil

from approvals.models import ApprovalRequest, Delegation, State
from approvals.models.requirements import NEVER
from approvals.models.states import UNDECIDED, RequestStatus
from approvals.policies import built_in, effective, seals, slots
from approvals.policies.commands import EditPolicy
from approvals.policies.seals import Edit
from approvals.requests import effects
from approvals.requests.approvers import missing_after
from approvals.requests.flags import flags_of, likeness_of, requester_flags
from approvals.requests.pending import needs_of
from approvals.requests.resubmission import check_may_be_resubmitted
from approvals.requests.statuses import statuses_of
from approvals.sealing.payloads import Unloadable
from audit.actors.actors import Actor
from audit.messages.characters import quoted
from audit.messages.classes import Command, Subject
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Need
from audit.pages.labels import declare_choices, fields
from audit.pages.safe_text import one_line
from audit.pages.times import ago
from audit.subjects.names import deleted, found
from audit.subjects.types import label_of, label_without_row

#: The word for the state of a request that can still be approved.
declare_choices({State.PENDING: RequestStatus.WAITING.label})
_UNREADABLE = "A request that cannot be verified"
_RETRY_LABELS = {
    effects.EXECUTES: "Retry: the failure may be temporary",
    effects.REFUSED: "Retry anyway, but execution would currently be refused",
}
_LONGEST_LABEL = 160
_LONGEST_SENTENCE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A request with the content of its verified payload.

    ``problem`` is the reason why the payload cannot be verified; then there is no ``command``, and
    no text contains the content. ``flags`` are reasons why it would fail even if approved;
    ``likeness`` is a warning about names that the new one is easily confused with. ``status`` is
    the current one.
    ``has_subject``: the subject exists, and the actor may see it.
    """

    request: ApprovalRequest
    status: RequestStatus
    command: Command | None
    problem: str
    sentence: str
    label: str
    has_subject: bool
    requirements: tuple[Need, ...]
    flags: list[str]
    likeness: str
    now: datetime

    @property
    def is_undecided(self) -> bool:
        """True if the request can still be approved, denied or withdrawn."""
        return self.status in UNDECIDED

    @property
    def scheduled_at(self) -> datetime | None:
        """The time before which the command is not executed, until it has come."""
        return self.request.execute_after if self.is_undecided and self.request.is_early else None

    @property
    def progress(self) -> str:
        """The approvals so far, out of those required."""
        return " · ".join(f"{n.have} of {n.needed} {quoted(n.group)}" for n in self.requirements)

    @property
    def requester(self) -> str:
        """The requester's label on one line."""
        return one_line(self.request.requester_label, longest=_LONGEST_LABEL)

    @property
    def reason(self) -> str:
        """The requester's reason on one line."""
        return one_line(self.request.reason, longest=_LONGEST_LABEL)

    @property
    def outcome(self) -> str:
        """The outcome on one line."""
        return one_line(self.request.outcome, longest=_LONGEST_LABEL)

    @property
    def age(self) -> str:
        """The time since the request."""
        return ago(self.request.requested_at, now=self.now)

    @property
    def time_left(self) -> str:
        """The time left to decide; empty once it is decided."""
        if self.request.state != State.PENDING:
            return ""
        if not self.has_deadline:
            return "no deadline"
        if self.request.approve_by <= self.now:
            return "expired"
        return f"{timeuntil(self.request.approve_by, self.now, depth=1)} left"

    @property
    def has_deadline(self) -> bool:
        return self.request.approve_by != NEVER

    @property
    def pick_up_time_left(self) -> str:
        """The time left to pick up the secret; empty if there is none to pick up."""
        by = self.request.pick_up_by
        return f"{timeuntil(by, self.now, depth=1)} left" if by else ""

    @property
    def is_urgent(self) -> bool:
        """True if less than a day is left."""
        return (self.request.approve_by - self.now).days < 1

    @property
    def short_digest(self) -> str:
        """The first digits of the digest, for comparison by people."""
        return f"{self.request.digest[:4]}-{self.request.digest[4:8]}"

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The command's fields and values, which the digest covers."""
        return fields(self.command.as_json()) if self.command else []


class Ballot:
    """The actor's options for a request, by the same checks as votes.

    ``obstacle`` is the reason why the actor may not vote, or empty; ``delegation`` is the one by
    which the actor votes, if any. ``effects`` has the effect of each possible decision.
    """

    def __init__(self, presented: Presented, *, actor: Actor) -> None:
        request = presented.request
        is_readable = presented.command is not None
        undecided = _obstacle(lambda: request.check_pending(now=presented.now))
        is_requester = actor.person_id == request.requester_person
        self.delegation: Delegation | None = None
        self.obstacle = undecided or _obstacle(lambda: self._set_right(request, actor))
        self.may_deny = not self.obstacle
        self.may_approve = self.may_deny and is_readable and request.barrier is None
        may_end = is_requester and not built_in.must_be_decided(request)
        self.may_withdraw = not undecided and may_end
        self.may_take_back = not undecided and request.vote_of(actor) is not None
        is_known = is_requester or self.may_deny
        takes_part = is_known or not _obstacle(lambda: request.check_is_approver(actor))
        self.may_retry = request.is_retriable and takes_part
        self.may_comment = request.is_intact and takes_part
        self.may_raise_again = is_readable and not _obstacle(
            lambda: check_may_be_resubmitted(request, actor=actor)
        )
        self.warnings = sorted({*presented.flags, *requester_flags(request, presented.command)})
        missing = missing_after([request], person_id=int(actor.person_id)) if self.may_deny else {}
        self._missing, self._is_early = missing.get(request.pk, 0), request.is_early
        self._problem = presented.problem
        self._set_effects()

    def _set_right(self, request: ApprovalRequest, actor: Actor) -> None:
        self.delegation = request.check_may_vote(actor).delegation

    def expect_refusal(self, reason: str) -> None:
        """Display the refusal of an execution that a test run has found, if no warning does."""
        if reason and not self.warnings:
            self.warnings = [reason]
            self._set_effects()

    def _set_effects(self) -> None:
        doubts = [*self.warnings, *filter(None, [self._problem])]
        approval = effects.of_approval(
            missing=self._missing, warnings=doubts, is_early=self._is_early
        )
        retry = effects.of_execution(doubts)
        self.effects = {
            **({"approve": approval} if self.may_approve else {}),
            **dict.fromkeys(("deny", "request_changes") if self.may_deny else (), effects.ENDS),
            **({"take_back": effects.TAKES_BACK} if self.may_take_back else {}),
            **({"withdraw": effects.ENDS} if self.may_withdraw else {}),
            **({"retry": retry} if self.may_retry else {}),
        }
        self.approve_label = effects.approve_label(approval)
        self.retry_label = _RETRY_LABELS[retry]


def present(requests: Iterable[ApprovalRequest], *, actor: Actor) -> list[Presented]:
    """Return requests as the actor sees them; only subject types increase the number of queries."""
    requests = list(requests)
    prefetch_related_objects(requests, "votes")
    effective.read(requests)
    electorate = slots.Electorate(requests)
    counted = electorate.counted(requests)
    statuses = statuses_of(requests, electorate=electorate)
    opened = [_open(request) for request in requests]
    commands = [command for command, _ in opened]
    edits = _edits(requests, commands)
    rows, named = _subjects(commands, actor=actor)
    flags = flags_of(requests, rows=rows)
    likeness = likeness_of(requests, commands, actor=actor)
    return [
        Presented(
            request=request,
            status=statuses[request.pk],
            command=command,
            problem=problem,
            sentence=_sentence(command, named, edits.get(request.pk, "")),
            label=_label(command, named) if command else "",
            has_subject=command is not None and command.subject_reference() in rows,
            requirements=needs_of(request, counted[request.pk]),
            flags=flags.get(request.pk, []),
            likeness=likeness.get(request.pk, ""),
            now=timezone.now(),
        )
        for request, (command, problem) in zip(requests, opened, strict=True)
    ]


def sentence_of(request: ApprovalRequest, *, actor: Actor) -> str:
    """Return the requested command in one sentence."""
    command, _ = _open(request)
    edits = _edits([request], [command])
    return _sentence(command, _subjects([command], actor=actor)[1], edits.get(request.pk, ""))


def sentences_of(
    requests: Sequence[ApprovalRequest], *, actor: Actor, rows: Mapping[Subject, Model]
) -> list[str]:
    """Return the requested commands, each in one sentence: one query for each subject type.

    ``rows`` are subjects that are already read.
    """
    commands = [_open(request)[0] for request in requests]
    edits = _edits(requests, commands)
    missing = [each for each in commands if each and each.subject_reference() not in rows]
    named = {**rows, **_subjects(missing, actor=actor)[1]}
    return [
        _sentence(command, named, edits.get(request.pk, ""))
        for request, command in zip(requests, commands, strict=True)
    ]


def _open(request: ApprovalRequest) -> tuple[Command | None, str]:
    try:
        return request.command(), ""
    except Unloadable as problem:
        return None, problem.message


def _subjects(
    commands: Iterable[Command | None], *, actor: Actor
) -> tuple[Mapping[Subject, Model], Mapping[Subject, Model]]:
    """Return the existing subjects, and these with the deleted ones, for their labels."""
    about = {command.subject_reference(): command for command in commands if command}
    rows = found(filter(None, about), actor=actor)
    missing = [each for each in about if each and each not in rows]
    gone = [each for each in missing if not about[each].creates_subject()]
    return rows, {**deleted(gone, actor=actor), **rows} if gone else rows


def sentence_for(command: Command, *, actor: Actor) -> str:
    """Return the sentence of a command that was not held, with the present label of its subject."""
    changes = ""
    if isinstance(command, EditPolicy):
        (changes,) = seals.changes({command.policy_id: Edit(command, None)}).values() or ("",)
    return _sentence(command, _subjects([command], actor=actor)[1], changes)


def _edits(
    requests: Iterable[ApprovalRequest], commands: Iterable[Command | None]
) -> dict[UUID, str]:
    """Return the changes of the requests that edit a policy, as text."""
    return seals.changes(
        {
            request.pk: Edit(command, (request.subject_values or {}).get("version"))
            for request, command in zip(requests, commands, strict=True)
            if isinstance(command, EditPolicy)
        }
    )


def _sentence(command: Command | None, rows: Mapping[Subject, Model], changes: str) -> str:
    """Return a command in one sentence; that of an edited policy states the changes."""
    if command is None:
        return _UNREADABLE
    label = _label(command, rows)
    sentence = f"Edit the {label}: {changes}" if changes else command.describe(label)
    return one_line(sentence, longest=_LONGEST_SENTENCE)


def _label(command: Command, rows: Mapping[Subject, Model]) -> str:
    """Return the label of a command's subject; its id if it is missing or not visible."""
    subject = command.subject_reference()
    if subject is None:
        return ""
    row = rows.get(subject)
    name = label_without_row(subject) if row is None else label_of(row)
    return one_line(name, longest=_LONGEST_LABEL)


def _obstacle(check: Callable[[], Any]) -> str:
    try:
        check()
    except CommandError as refusal:
        return refusal.message
    return ""
