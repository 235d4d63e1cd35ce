"""Middleware: the steps that every command passes before its handler."""

from collections.abc import Callable
from functools import cache, partial
from typing import Protocol, TypeAlias

from django.utils.module_loading import import_string

from audit.bus import handling, store
from audit.bus.context import Context, running
from audit.installation.settings import countersign
from audit.messages import exceptions
from audit.messages.classes import Command
from audit.messages.outcomes import Completed, Outcome

_NOT_HELD = exceptions.FieldError(
    "Execute-After",
    "not_held",
    "is only for commands that need approval; this one would be executed at once",
    exceptions.Place.HEADER,
)
#: The next step towards the handler.
Next: TypeAlias = Callable[[Command, Context], Outcome]


class Middleware(Protocol):
    """A step that calls ``call_next``, or returns or raises without it."""

    def __call__(self, command: Command, context: Context, call_next: Next, /) -> Outcome: ...


def run(command: Command, context: Context) -> Outcome:
    """Run a command through the middleware of the settings, and its handler."""
    try:
        with running(context):
            return _nested(tuple(countersign().middleware))(command, context)
    except exceptions.Conflict as error:
        # The handler waited for the row while another command changed it. A caller that stated
        # the expected number gets the same error as if that command had been faster.
        subject, expected = context.subject, context.expected_number
        if subject and expected is not None and store.current_number(subject) != expected:
            raise exceptions.PreconditionFailed from error
        raise


@cache
def _nested(names: tuple[str, ...]) -> Next:
    step: Next = _execute
    for name in reversed(names):
        step = partial(_call, import_string(name), step)
    return step


def _execute(command: Command, context: Context) -> Outcome:
    handler = handling.handler(type(command))
    if handler is None:
        raise exceptions.Unregistered
    if context.execute_after is not None:
        raise exceptions.Invalid(errors=[_NOT_HELD])
    result = handler(command, context)
    return Completed(
        command_id=context.command_id,
        result=result,
        secret=context.secret,
        is_unchanged=not context.events,
    )


def _call(middleware: Middleware, call_next: Next, command: Command, context: Context) -> Outcome:
    return middleware(command, context, call_next)
