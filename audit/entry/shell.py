"""Commands from a shell, dispatched as the system, with errors as ``manage.py`` shows them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.core.management.base import CommandError

from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError as DomainError
from audit.messages.outcomes import Completed, Outcome

CHANNEL = "management"


def carry_out(command: Command, *, reason: str) -> Completed:
    """Execute a command as the system.

    :raises CommandError: if it is refused, fails, or is held for approval.
    """
    with errors_told():
        return _completed(dispatch(command, context=_context(reason)))


def carry_all_out(commands: Sequence[Command], *, reason: str) -> list[Completed]:
    """Execute several commands as the system, all of them or none.

    :raises CommandError: if one of them is refused, fails, or would be held for approval.
    """
    with errors_told():
        outcomes = dispatch_all(commands, context=_context(reason))
        return [_completed(outcome) for outcome in outcomes]


@contextmanager
def errors_told() -> Iterator[None]:
    """Convert errors of a command, and of building one, to one line for the shell.

    :raises CommandError: if it is refused or fails.
    """
    try:
        yield
    except DomainError as error:
        raise CommandError(error.message) from error


def _context(reason: str) -> Context:
    return Context(actor=SYSTEM, channel=CHANNEL, reason=reason)


def _completed(outcome: Outcome) -> Completed:
    if isinstance(outcome, Completed):
        return outcome
    message = (
        f"Waiting for approval, as a policy requires: command "
        f"{outcome.command_id}, in the admin among the approval requests."
    )
    raise CommandError(message)
