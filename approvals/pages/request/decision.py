"""Decisions that come from a page: from its form to a command, and from the outcome to words."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.messages import constants as levels
from django.http import HttpRequest

from approvals.decisions.break_glass_commands import BreakGlass
from approvals.decisions.commands import Approve, Deny, Retry, TakeBack, TightenRequest, Withdraw
from approvals.models import ApprovalRequest, State
from approvals.pages.links import waiting
from approvals.requests.presentation import Presented, present
from approvals.requests.resubmission import raised_again
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.entry.requests import actor_of_request, request_facts
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError
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
_UNSEEN = "The decision came without the digest that you saw: open the list again, then decide."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What to tell whoever decided, as one of Django's messages; and a secret to show this once."""

    message: str
    level: int
    secret: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the decision was taken down."""
        return self.level != levels.ERROR


def decide(presented: Presented, *, verb: str, digest: str, request: HttpRequest) -> Decided:
    """Send what somebody decided about a request, and say what came of it."""
    actor = actor_of_request(request)
    context = Context(
        actor=actor,
        channel="admin",
        reason=clean_text(request.POST.get("reason", ""), longest=LONGEST_REASON),
        request=request_facts(request),
    )
    try:
        if verb == "raise_again":
            again = raised_again(presented.request, actor=actor)
            return _raised(presented, dispatch(again, context=context))
        command = (
            _break_glass(presented, request)
            if verb == "break_glass"
            else _command(presented, verb=verb, digest=digest)
        )
        if command is None:
            return Decided(message=f"{presented.sentence}: {_UNSEEN}", level=levels.ERROR)
        outcome = dispatch(command, context=context)
    except CommandError as error:
        return Decided(message=f"{presented.sentence}: {error.message}", level=levels.ERROR)
    if not isinstance(outcome, Completed):
        return _held(presented)
    return _done(presented, command, outcome, actor=actor)


def _raised(presented: Presented, outcome: Outcome) -> Decided:
    if isinstance(outcome, Postponed):
        held = ApprovalRequest.of_command(outcome.command_id).get()
        return Decided(message=waiting(presented.sentence, held), level=levels.WARNING)
    message = f"{presented.sentence}: done."
    return Decided(message=message, level=levels.SUCCESS, secret=outcome.secret)


def _done(presented: Presented, command: Command, outcome: Completed, *, actor: Actor) -> Decided:
    match command:
        case BreakGlass():
            return Decided(message=outcome.result.outcome, level=levels.WARNING)
        case TakeBack():
            message = f"Vote taken back: {presented.sentence}."
            return Decided(message=message, level=levels.SUCCESS)
        case TightenRequest():
            message = waiting(
                f"Replaced by a stricter request: {presented.sentence}", outcome.result
            )
            return Decided(message=message, level=levels.SUCCESS)
        case _:
            return _decided(outcome, actor=actor)


def _break_glass(presented: Presented, request: HttpRequest) -> Command:
    ticket = clean_text(request.POST.get("ticket", ""), longest=_LONGEST_TICKET)
    return BreakGlass(approval_request_id=presented.request.pk, ticket=ticket)


def _command(presented: Presented, *, verb: str, digest: str) -> Command | None:
    request_id = presented.request.pk
    if verb in _ON_WHAT_WAS_SEEN:
        seen = _ON_WHAT_WAS_SEEN[verb]
        return seen(approval_request_id=request_id, digest=digest) if digest else None
    other = _OTHERS.get(verb)
    return other(approval_request_id=request_id) if other else None


def _decided(outcome: Completed, *, actor: Actor) -> Decided:
    (now,) = present([outcome.result], actor=actor)
    match now.request.state:
        case State.PENDING:
            message = f"Approved: {now.progress}. {now.sentence}."
        case State.EXECUTED:
            message = f"Approved and executed: {now.sentence}."
        case State.DENIED | State.WITHDRAWN:
            message = f"{now.request.get_state_display()}: {now.sentence}."
        case _:
            message = f"{now.sentence}: {now.request.outcome}"
            return Decided(message=message, level=levels.WARNING)
    return Decided(message=message, level=levels.SUCCESS)


def _held(presented: Presented) -> Decided:
    """Answer for a policy on the decision itself."""
    message = f"{presented.sentence}: your decision is recorded and needs approval itself."
    return Decided(message=message, level=levels.WARNING)
