"""Feedback on the commands that forms send."""

from typing import NamedTuple

from django.contrib import messages
from django.contrib.messages import constants as levels
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from approvals.models import ApprovalRequest
from approvals.pages.links import pending_message
from audit.messages.outcomes import Outcome, Postponed


class Feedback(NamedTuple):
    """The outcome of a command as a Django message, with a secret to show once.

    ``must_confirm``: nothing was done, because the sender has to confirm a similar name.
    ``has_changed``: the decision would now have another effect, so nothing was decided.
    """

    message: str
    level: int
    secret: str | None = None
    sentence: str = ""
    must_confirm: bool = False
    has_changed: bool = False

    @property
    def is_done(self) -> bool:
        """True if the command was accepted."""
        return self.level != levels.ERROR


def feedback_on(outcome: Outcome, sentence: str) -> Feedback:
    """Return the feedback on a completed or held command, which ``sentence`` describes."""
    if isinstance(outcome, Postponed):
        held = ApprovalRequest.of_command(outcome.command_id).get()
        return Feedback(pending_message(sentence, held), levels.WARNING)
    return Feedback(f"{sentence}: done.", levels.SUCCESS, outcome.secret)


def not_sent(request: HttpRequest, page: str) -> HttpResponse:
    """Redirect to the page of a form whose URL was opened by GET, as after signing in again."""
    message = "Nothing was sent. If you had to sign in again, fill in the form once more."
    messages.warning(request, message)
    return redirect(page)
