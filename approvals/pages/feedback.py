"""Feedback on the commands that forms send."""

from typing import NamedTuple

from django.contrib.messages import constants as levels

from approvals.models import ApprovalRequest
from approvals.pages.links import pending_message
from audit.messages.outcomes import Outcome, Postponed


class Feedback(NamedTuple):
    """The outcome of a command as a Django message, with a secret to show once."""

    message: str
    level: int
    secret: str | None = None
    sentence: str = ""

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
