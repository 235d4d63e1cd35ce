"""Decisions on a page: from its form to a command, and from the outcome to feedback."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from django.contrib.messages import constants as levels
from django.http import HttpRequest

from approvals.decisions import commands
from approvals.models import ApprovalRequest, State
from approvals.models.refusals import EffectChanged
from approvals.pages import signatures
from approvals.pages.execution_times import message_of
from approvals.pages.feedback import Feedback, Result, feedback_on
from approvals.pages.request.resubmission import command_of, execute_after_of
from approvals.requests import effects
from approvals.requests.presentation import present, sentence_of
from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, Invalid
from audit.messages.outcomes import Completed
from audit.messages.text import clean_text

_LONGEST_TICKET = 100
_UNKNOWN = "The form names no decision: open the request again, then decide."

_DECISIONS: Mapping[str, type[commands.Decision]] = {
    "approve": commands.Approve,
    "deny": commands.Deny,
    "request_changes": commands.RequestChanges,
    "take_back": commands.TakeBack,
    "retry": commands.Retry,
    "withdraw": commands.Withdraw,
}
#: The decisions that need a reason, with what a form without one is answered.
MISSING_REASONS = {
    "deny": "Give a reason for denying in the field above the buttons, then deny.",
    "request_changes": "Name the changes in the field above the buttons, then request them.",
}
#: The votes, after which the next request is shown, and their labels.
VOTES = {"approve": "Approve", "deny": "Deny", "request_changes": "Request changes"}
_NUMBER = re.compile("[0-9]{1,18}")
_EFFECT = re.compile(effects.PATTERN)
_UNSEEN = (
    "The decision came without what the page displayed: its digest, number and effect. "
    "Open the request again, then decide."
)


class Displayed(NamedTuple):
    """The displayed state of a request, as a form sent it back; each part may be missing."""

    digest: str
    number: str
    effect: str

    @classmethod
    def of(cls, form: Mapping[str, str], *, suffix: str, effect: str) -> Self:
        """Return what is in the fields of a form; ``effect`` is the name of that field."""
        return cls(
            form.get(f"digest{suffix}", ""), form.get(f"number{suffix}", ""), form.get(effect, "")
        )

    def fields(self) -> dict[str, Any]:
        """Return the fields of the command.

        :raises Invalid: if a part is missing or malformed.
        """
        is_number, is_effect = _NUMBER.fullmatch(self.number), _EFFECT.fullmatch(self.effect)
        if not (self.digest and is_number and is_effect):
            raise Invalid(_UNSEEN)
        number = int(self.number)
        return {"digest": self.digest, "number": number, "expected_effect": self.effect}


def decide(
    approval_request: ApprovalRequest,
    *,
    verb: str,
    displayed: Displayed,
    request: HttpRequest,
    channel: str = "admin",
) -> Feedback:
    """Dispatch the decision on a request, and return its result.

    The payload is not opened here: the handler verifies it under the lock, and the sentence comes
    with the outcome.
    """
    context = context_of(request, channel=channel, reason=request.POST.get("reason", ""))
    actor = context.actor
    try:
        command = _command(
            approval_request, verb=verb, displayed=displayed, request=request, actor=actor
        )
        if verb == "raise_again":
            context.execute_after = execute_after_of(approval_request, typed=request.POST)
        outcome = dispatch(command, context=context)
    except CommandError as error:
        sentence = sentence_of(approval_request, actor=actor)
        feedback = Feedback(f"{sentence}: {message_of(error)}", levels.ERROR, sentence=sentence)
        has_changed = isinstance(error, EffectChanged)
        return feedback._replace(has_changed=has_changed, result=Result.NOT_DECIDED)
    if isinstance(outcome, Completed) and verb != "raise_again":
        return _done(command, outcome, actor=actor)
    sentence = sentence_of(approval_request, actor=actor)
    if verb == "raise_again":
        return feedback_on(outcome, sentence)
    # A policy governs the decision itself.
    message = f"{sentence}: your decision is recorded and needs approval itself."
    return Feedback(message, levels.WARNING, sentence=sentence)


def _command(
    approval_request: ApprovalRequest,
    *,
    verb: str,
    displayed: Displayed,
    request: HttpRequest,
    actor: Actor,
) -> Command:
    """Return the command of a decision.

    :raises CommandError: if the decision is unknown or incomplete.
    """
    if verb == "raise_again":
        return command_of(approval_request, typed=request.POST, actor=actor)
    if verb == "break_glass":
        ticket = clean_text(request.POST.get("ticket", ""), longest=_LONGEST_TICKET)
        return commands.BreakGlass(approval_request_id=approval_request.pk, ticket=ticket)
    if verb == "remind":
        return commands.RemindApprovers(approval_request_id=approval_request.pk)
    if verb == "comment":
        _check_text(request, "Write a comment, then send it.")
        return commands.Comment(approval_request_id=approval_request.pk)
    if verb == "request_changes":
        _check_text(request, MISSING_REASONS[verb])
    if verb not in _DECISIONS:
        raise Invalid(_UNKNOWN)
    fields = {"approval_request_id": approval_request.pk, **displayed.fields()}
    if verb in VOTES:
        fields["signature"] = signatures.given_in(request, approval_request)
    return _DECISIONS[verb](**fields)


def _check_text(request: HttpRequest, missing: str) -> None:
    """Check that the form has a text, before its absence is recorded as a refused attempt.

    :raises Invalid: if it has none.
    """
    if not request.POST.get("reason", "").strip():
        raise Invalid(missing)


def _done(command: Command, outcome: Completed, *, actor: Actor) -> Feedback:
    row: ApprovalRequest = outcome.result
    if isinstance(command, commands.BreakGlass):
        return Feedback(row.outcome, levels.WARNING)
    sentence, level = sentence_of(row, actor=actor), levels.SUCCESS
    match command, row.state:
        case commands.RemindApprovers(), _:
            message = f"Approvers reminded: {sentence}."
        case commands.Comment(), _:
            message = f"Comment added: {sentence}."
        case commands.RequestChanges(), State.DENIED:
            message = f"Changes requested: {sentence}."
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
    return Feedback(message, level, sentence=sentence, result=_result_in(row.state))


def _result_in(state: str) -> Result:
    """Return the result of a decision that left its request in this state."""
    match state:
        case State.EXECUTED:
            return Result.EXECUTED
        case State.REFUSED:
            return Result.REFUSED
        case State.FAILED:
            return Result.FAILED
        case State.DENIED:
            return Result.DENIED
        case _:
            return Result.RECORDED
