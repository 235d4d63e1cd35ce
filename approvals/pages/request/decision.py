"""Decisions that come from a page: from its form to a command, and from the outcome to words."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.messages import constants as levels
from django.http import HttpRequest

from approvals.decisions.break_glass_commands import BreakGlass
from approvals.decisions.commands import Approve, Deny, Retry, TakeBack, TightenRequest, Withdraw
from approvals.models import ApprovalRequest, State
from approvals.pages.links import waiting
from approvals.requests.presentation import present, sentence_of
from approvals.requests.resubmission import raised_again
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.entry.requests import actor_of_request, request_facts
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, Invalid
from audit.messages.outcomes import Completed, Outcome, Postponed
from audit.messages.text import clean_text

LONGEST_REASON = 1000
_LONGEST_TICKET = 100

_ON_WHAT_WAS_SEEN: Mapping[str, type[Approve] | type[Deny] | type[TakeBack]] = {
    "approve": Approve,
    "deny": Deny,
    "take_back": TakeBack,
}
_OTHERS: Mapping[str, type[Retry] | type[TightenRequest] | type[Withdraw]] = {
    "retry": Retry,
    "tighten": TightenRequest,
    "withdraw": Withdraw,
}
_UNSEEN = "Open the list again, then decide: what you saw of this did not come with the decision."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The result of a decision, as one of Django's messages; and a secret to show this once."""

    sentence: str = ""
    message: str
    level: int
    secret: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the decision took effect."""
        return self.level != levels.ERROR


def decide(asked: ApprovalRequest, *, verb: str, digest: str, request: HttpRequest) -> Decided:
    """Dispatch the decision on a request, and return its result.

    The payload is not opened here: the handler verifies it under the lock, and the sentence comes
    with the outcome.
    """
    actor = actor_of_request(request)
    context = Context(
        actor=actor,
        channel="admin",
        reason=clean_text(request.POST.get("reason", ""), longest=LONGEST_REASON),
        request=request_facts(request),
    )
    try:
        command = _command(asked, verb=verb, digest=digest, request=request, actor=actor)
        outcome = dispatch(command, context=context)
    except CommandError as error:
        sentence = sentence_of(asked, actor=actor)
        return Decided(
            sentence=sentence, message=f"{sentence}: {error.message}", level=levels.ERROR
        )
    if verb == "raise_again":
        return _raised(sentence_of(asked, actor=actor), outcome)
    if isinstance(outcome, Completed):
        return _done(command, outcome, actor=actor)
    # A policy governs the decision itself.
    sentence = sentence_of(asked, actor=actor)
    message = f"{sentence}: your decision was taken down and needs approval itself."
    return Decided(sentence=sentence, message=message, level=levels.WARNING)


def _command(
    asked: ApprovalRequest, *, verb: str, digest: str, request: HttpRequest, actor: Actor
) -> Command:
    """Return the command of a decision.

    :raises CommandError: if the decision is unknown or incomplete.
    """
    if verb == "raise_again":
        return raised_again(asked, actor=actor)
    if verb == "break_glass":
        ticket = clean_text(request.POST.get("ticket", ""), longest=_LONGEST_TICKET)
        return BreakGlass(approval_request_id=asked.pk, ticket=ticket)
    if verb in _OTHERS:
        return _OTHERS[verb](approval_request_id=asked.pk)
    if verb in _ON_WHAT_WAS_SEEN and digest:
        return _ON_WHAT_WAS_SEEN[verb](approval_request_id=asked.pk, digest=digest)
    raise Invalid(_UNSEEN)


def _raised(sentence: str, outcome: Outcome) -> Decided:
    if isinstance(outcome, Postponed):
        held = ApprovalRequest.of_command(outcome.command_id).get()
        return Decided(message=waiting(sentence, held), level=levels.WARNING)
    return Decided(message=f"{sentence}: done.", level=levels.SUCCESS, secret=outcome.secret)


def _done(command: Command, outcome: Completed, *, actor: Actor) -> Decided:
    row: ApprovalRequest = outcome.result
    if isinstance(command, BreakGlass):
        return Decided(message=row.outcome, level=levels.WARNING)
    sentence, level = sentence_of(row, actor=actor), levels.SUCCESS
    match command, row.state:
        case TakeBack(), _:
            message = f"Your vote is taken back: {sentence}."
        case TightenRequest(), _:
            message = waiting(f"Asks for more now: {sentence}", row)
        case _, State.PENDING:
            (now,) = present([row], actor=actor)
            message = f"Approved: {now.progress}. {sentence}."
        case _, State.EXECUTED:
            message = f"Approved and carried out: {sentence}."
        case _, State.DENIED | State.WITHDRAWN:
            message = f"{row.get_state_display()}: {sentence}."
        case _:
            message, level = f"{sentence}: {row.outcome}", levels.WARNING
    return Decided(sentence=sentence, message=message, level=level)
