"""Decisions that come from a page: from its form to a command, and from the outcome to words."""

from dataclasses import dataclass

from django.contrib.messages import constants as levels
from django.http import HttpRequest

from approvals.commands import Approve, Deny, Withdraw
from approvals.models import State
from approvals.presentation import Presented, present
from audit.actors import Actor
from audit.bus import dispatch
from audit.context import Context
from audit.exceptions import CommandError
from audit.messages import Command
from audit.outcomes import Completed
from audit.requests import actor_of_request, clean_text, request_facts

LONGEST_REASON = 1000

_UNSEEN = "Open the list again, then decide: what you saw of this did not come with the decision."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What to tell whoever decided, as one of Django's messages."""

    message: str
    level: int


def decide(presented: Presented, *, verb: str, digest: str, request: HttpRequest) -> Decided:
    """Approve, deny or withdraw a request, and say what came of it."""
    command = _command(presented, verb=verb, digest=digest)
    if command is None:
        return Decided(message=f"{presented.sentence}: {_UNSEEN}", level=levels.ERROR)
    actor = actor_of_request(request)
    context = Context(
        actor=actor,
        channel="admin",
        reason=clean_text(request.POST.get("reason", ""), longest=LONGEST_REASON),
        request=request_facts(request),
    )
    try:
        outcome = dispatch(command, context=context)
    except CommandError as error:
        return Decided(message=f"{presented.sentence}: {error.message}", level=levels.ERROR)
    return _decided(outcome, actor=actor) if isinstance(outcome, Completed) else _held(presented)


def _command(presented: Presented, *, verb: str, digest: str) -> Command | None:
    request_id = presented.request.pk
    match verb:
        case "approve" if digest:
            return Approve(approval_request_id=request_id, digest=digest)
        case "deny" if digest:
            return Deny(approval_request_id=request_id, digest=digest)
        case "withdraw":
            return Withdraw(approval_request_id=request_id)
        case _:
            return None


def _decided(outcome: Completed, *, actor: Actor) -> Decided:
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
            return Decided(message=message, level=levels.WARNING)
    return Decided(message=message, level=levels.SUCCESS)


def _held(presented: Presented) -> Decided:
    """Answer for a policy on the decision itself."""
    message = f"{presented.sentence}: your decision was taken down and needs approval itself."
    return Decided(message=message, level=levels.WARNING)
