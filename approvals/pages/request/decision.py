"""Decisions that come from a page: from its form to a command, and from the outcome to words."""

from collections.abc import Mapping

from django.contrib.messages import constants as levels
from django.http import HttpRequest

from approvals.decisions.break_glass_commands import BreakGlass
from approvals.decisions.commands import Approve, Deny, Retry, TakeBack, TightenRequest, Withdraw
from approvals.models import State
from approvals.pages.feedback import Feedback, feedback_on
from approvals.pages.links import waiting
from approvals.requests.presentation import Presented, present
from approvals.requests.resubmission import raised_again
from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Completed
from audit.messages.text import clean_text

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


def decide(presented: Presented, *, verb: str, digest: str, request: HttpRequest) -> Feedback:
    """Send what somebody decided about a request, and say what came of it."""
    context = context_of(request, channel="admin", reason=request.POST.get("reason", ""))
    try:
        if verb == "raise_again":
            again = raised_again(presented.request, actor=context.actor)
            return feedback_on(dispatch(again, context=context), presented.sentence)
        command = (
            _break_glass(presented, request)
            if verb == "break_glass"
            else _command(presented, verb=verb, digest=digest)
        )
        if command is None:
            return Feedback(f"{presented.sentence}: {_UNSEEN}", levels.ERROR)
        outcome = dispatch(command, context=context)
    except CommandError as error:
        return Feedback(f"{presented.sentence}: {error.message}", levels.ERROR)
    if not isinstance(outcome, Completed):
        return _held(presented)
    return _done(presented, command, outcome, actor=context.actor)


def _done(presented: Presented, command: Command, outcome: Completed, *, actor: Actor) -> Feedback:
    match command:
        case BreakGlass():
            return Feedback(outcome.result.outcome, levels.WARNING)
        case TakeBack():
            message = f"Your vote is taken back: {presented.sentence}."
            return Feedback(message, levels.SUCCESS)
        case TightenRequest():
            message = waiting(f"Asks for more now: {presented.sentence}", outcome.result)
            return Feedback(message, levels.SUCCESS)
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


def _decided(outcome: Completed, *, actor: Actor) -> Feedback:
    (now,) = present([outcome.result], actor=actor)
    match now.request.state:
        case State.PENDING:
            message = f"Approved: {now.progress}. {now.sentence}."
        case State.EXECUTED:
            message = f"Approved and carried out: {now.sentence}."
        case State.DENIED | State.WITHDRAWN:
            message = f"{now.request.get_state_display()}: {now.sentence}."
        case _:
            message = f"{now.sentence}: {now.request.outcome}"
            return Feedback(message, levels.WARNING)
    return Feedback(message, levels.SUCCESS)


def _held(presented: Presented) -> Feedback:
    """Answer for a policy on the decision itself."""
    message = f"{presented.sentence}: your decision was taken down and needs approval itself."
    return Feedback(message, levels.WARNING)
