"""Feedback on the commands that forms send."""

from enum import StrEnum
from typing import NamedTuple

from django.contrib import messages
from django.contrib.messages import constants as levels
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from approvals.models import ApprovalRequest
from approvals.pages.execution_times import execution_time, message_of
from approvals.pages.links import pending_message
from approvals.requests.presentation import sentence_for
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Outcome, Postponed


class Result(StrEnum):
    """The result of a decision, in a word."""

    EXECUTED = "executed"
    RECORDED = "recorded"
    DENIED = "denied"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_DECIDED = "not decided"

    @property
    def mark(self) -> str:
        """The class of the word: green, neutral or red."""
        if self is Result.EXECUTED:
            return "status-executed"
        return "" if self in (Result.RECORDED, Result.DENIED) else "status-refused"


class Feedback(NamedTuple):
    """The outcome of a command as a Django message, with a secret to show once.

    ``has_changed``: the decision would now have another effect, so nothing was decided.
    ``result`` is that of a decision.
    """

    message: str
    level: int
    secret: str | None = None
    sentence: str = ""
    has_changed: bool = False
    result: Result = Result.RECORDED


def feedback_on(outcome: Outcome, sentence: str) -> Feedback:
    """Return the feedback on a completed or held command, which ``sentence`` describes."""
    if isinstance(outcome, Postponed):
        held = ApprovalRequest.of_command(outcome.command_id).get()
        return Feedback(pending_message(sentence, held), levels.WARNING)
    return Feedback(f"{sentence}: done.", levels.SUCCESS, outcome.secret)


def send(command: Command, *, request: HttpRequest, expected_number: int | None = None) -> Feedback:
    """Dispatch the command of a form, and return feedback on it.

    With ``expected_number`` it is refused if the subject is no longer at that number. The form may
    have the time before which it is not executed.
    """
    reason = request.POST.get("reason", "")
    context = context_of(request, channel="admin", reason=reason, expected_number=expected_number)
    # Before the command is executed: afterwards, its subject may be gone or renamed.
    sentence = sentence_for(command, actor=context.actor)
    try:
        context.execute_after = execution_time(request.POST)
        return feedback_on(dispatch(command, context=context), sentence)
    except CommandError as error:
        return Feedback(f"{sentence}: refused. {message_of(error)}", levels.ERROR)


def not_sent(request: HttpRequest, page: str, *, fact: str = "Nothing was sent") -> HttpResponse:
    """Redirect to the page of a form whose URL was opened by GET, as after signing in again."""
    message = f"{fact}. If you had to sign in again, send the form once more."
    messages.warning(request, message)
    return redirect(page)
