"""Commands from a shell: dispatched as the system, and told as ``manage.py`` tells things."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.core.management.base import CommandError

from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError as NotCarriedOut
from audit.messages.outcomes import Completed, Outcome

CHANNEL = "management"


def carry_out(command: Command, *, reason: str) -> Completed:
    """Carry a command out as the system.

    :raises CommandError: if it is turned down, fails, or has to be approved first.
    """
    with errors_told():
        return _completed(dispatch(command, context=Context(channel=CHANNEL, reason=reason)))


def carry_all_out(commands: Sequence[Command], *, reason: str) -> list[Completed]:
    """Carry several commands out as the system, all of them or none.

    :raises CommandError: if one of them is turned down, fails, or has to be approved.
    """
    with errors_told():
        outcomes = dispatch_all(commands, context=Context(channel=CHANNEL, reason=reason))
        return [_completed(outcome) for outcome in outcomes]


@contextmanager
def errors_told() -> Iterator[None]:
    """Tell what is wrong with a command, also while it is being built, in one line.

    :raises CommandError: if it is turned down or fails.
    """
    try:
        yield
    except NotCarriedOut as error:
        raise CommandError(error.message) from error


def _completed(outcome: Outcome) -> Completed:
    if isinstance(outcome, Completed):
        return outcome
    message = (
        f"Held for approval by a policy, as command "
        f"{outcome.command_id}, and in the admin among the approval requests."
    )
    raise CommandError(message)
