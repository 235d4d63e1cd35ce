"""Actions of requesters on the pages of their requests: each form sends one command."""

from typing import NamedTuple

from django.contrib.messages import constants as levels
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from approvals.models import ApprovalRequest
from approvals.pages.execution_times import message_of
from approvals.pages.request import decision
from approvals.pages.request.resubmission import command_of, execute_after_of
from approvals.requests.presentation import sentence_of
from approvals.requests.statuses import pick_ups_of
from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, Invalid
from audit.messages.outcomes import Completed, Postponed

CHANNEL = "requests"
_DECISIONS = ("withdraw", "comment", "remind", "retry")
_UNKNOWN = "The form names no action: open the request again."
_NOTHING = "There is no secret to pick up: it was picked up before, or it is too late."


class Done(NamedTuple):
    """The outcome of a form: a message, the next page, and a secret to show once."""

    message: str
    level: int
    page: str
    secret: str | None = None


def page_of(row: ApprovalRequest) -> str:
    return reverse("countersign:own-request", args=[row.pk])


def act(row: ApprovalRequest, *, request: HttpRequest) -> Done:
    """Dispatch the command of the form, and return its outcome."""
    verb = request.POST.get("decision", "")
    if verb in _DECISIONS:
        displayed = decision.Displayed.of(request.POST, suffix="", effect=f"effect-{verb}")
        feedback = decision.decide(
            row, verb=verb, displayed=displayed, request=request, channel=CHANNEL
        )
        return Done(feedback.message, feedback.level, page_of(row))
    return _send(row, verb, request=request)


def _send(row: ApprovalRequest, verb: str, *, request: HttpRequest) -> Done:
    context = context_of(request, channel=CHANNEL, reason=request.POST.get("reason", ""))
    sentence = sentence_of(row, actor=context.actor)
    try:
        command = _command(row, verb, form=request.POST, actor=context.actor)
        if verb == "raise_again":
            context.execute_after = execute_after_of(row, typed=request.POST)
        outcome = dispatch(command, context=context)
    except CommandError as error:
        return Done(f"{sentence}: {message_of(error)}", levels.ERROR, page_of(row))
    if isinstance(outcome, Postponed):
        return _held(outcome, sentence, row)
    return _completed(outcome, sentence, row)


def _command(row: ApprovalRequest, verb: str, *, form: QueryDict, actor: Actor) -> Command:
    """Return the command of an action other than a decision.

    :raises CommandError: if there is none.
    """
    match verb:
        case "raise_again":
            return command_of(row, typed=form, actor=actor)
        case "pick_up":
            return _pick_up(row, actor=actor)
        case _:
            raise Invalid(_UNKNOWN)


def _pick_up(row: ApprovalRequest, *, actor: Actor) -> Command:
    found = list(pick_ups_of([row], by=actor).values())
    if not found:
        raise Invalid(_NOTHING)
    command, _ = found[0]
    return command


def _held(outcome: Postponed, sentence: str, row: ApprovalRequest) -> Done:
    held = ApprovalRequest.of_command(outcome.command_id).first() or row
    return Done(f"Sent, and waiting for approval: {sentence}.", levels.SUCCESS, page_of(held))


def _completed(outcome: Completed, sentence: str, row: ApprovalRequest) -> Done:
    return Done(f"{sentence}: done.", levels.SUCCESS, page_of(row), outcome.secret)
