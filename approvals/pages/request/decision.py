"""Decisions on a page: from its form to a command, and from the outcome to feedback."""

from collections.abc import Mapping

from django.contrib.messages import constants as levels
from django.http import HttpRequest

from approvals.decisions import commands
from approvals.models import ApprovalRequest, State
from approvals.pages.feedback import Feedback, feedback_on
from approvals.requests.presentation import present, sentence_of
from approvals.requests.resubmission import resubmitted
from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, Invalid
from audit.messages.outcomes import Completed
from audit.messages.text import clean_text

_LONGEST_TICKET = 100

_DECISIONS: Mapping[str, type[Command]] = {
    "approve": commands.Approve,
    "deny": commands.Deny,
    "take_back": commands.TakeBack,
    "retry": commands.Retry,
    "withdraw": commands.Withdraw,
}
# These need the digest that the user saw.
_ON_DIGEST = ("approve", "deny", "take_back")
_UNSEEN = "The decision came without the digest that you saw: open the list again, then decide."


def decide(
    approval_request: ApprovalRequest, *, verb: str, digest: str, request: HttpRequest
) -> Feedback:
    """Dispatch the decision on a request, and return its result.

    The payload is not opened here: the handler verifies it under the lock, and the sentence comes
    with the outcome.
    """
    context = context_of(request, channel="admin", reason=request.POST.get("reason", ""))
    actor = context.actor
    try:
        command = _command(approval_request, verb=verb, digest=digest, request=request, actor=actor)
        outcome = dispatch(command, context=context)
    except CommandError as error:
        sentence = sentence_of(approval_request, actor=actor)
        return Feedback(f"{sentence}: {error.message}", levels.ERROR, sentence=sentence)
    if isinstance(outcome, Completed) and verb != "raise_again":
        return _done(command, outcome, actor=actor)
    sentence = sentence_of(approval_request, actor=actor)
    if verb == "raise_again":
        return feedback_on(outcome, sentence)
    # A policy governs the decision itself.
    message = f"{sentence}: your decision is recorded and needs approval itself."
    return Feedback(message, levels.WARNING, sentence=sentence)


def _command(
    approval_request: ApprovalRequest, *, verb: str, digest: str, request: HttpRequest, actor: Actor
) -> Command:
    """Return the command of a decision.

    :raises CommandError: if the decision is unknown or incomplete.
    """
    if verb == "raise_again":
        return resubmitted(approval_request, actor=actor)
    if verb == "break_glass":
        ticket = clean_text(request.POST.get("ticket", ""), longest=_LONGEST_TICKET)
        return commands.BreakGlass(approval_request_id=approval_request.pk, ticket=ticket)
    if verb not in _DECISIONS or (verb in _ON_DIGEST and not digest):
        raise Invalid(_UNSEEN)
    seen = {"digest": digest} if verb in _ON_DIGEST else {}
    return _DECISIONS[verb](**{"approval_request_id": approval_request.pk, **seen})


def _done(command: Command, outcome: Completed, *, actor: Actor) -> Feedback:
    row: ApprovalRequest = outcome.result
    if isinstance(command, commands.BreakGlass):
        return Feedback(row.outcome, levels.WARNING)
    sentence, level = sentence_of(row, actor=actor), levels.SUCCESS
    match command, row.state:
        case commands.TakeBack(), _:
            message = f"Vote taken back: {sentence}."
        case _, State.PENDING:
            (now,) = present([row], actor=actor)
            message = f"Approved: {now.progress}. {sentence}."
        case _, State.EXECUTED:
            message = f"Approved and executed: {sentence}."
        case _, State.DENIED | State.WITHDRAWN:
            message = f"{row.get_state_display()}: {sentence}."
        case _:
            message, level = f"{sentence}: {row.outcome}", levels.WARNING
    return Feedback(message, level, sentence=sentence)
