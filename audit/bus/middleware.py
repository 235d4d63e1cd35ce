"""What every command passes on its way to its handler."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Protocol, TypeAlias

from django.conf import settings
from django.utils.module_loading import import_string

from audit.bus.context import Context
from audit.messages.classes import Command
from audit.messages.outcomes import Outcome

#: Takes a command one step further in, towards its handler.
Next: TypeAlias = Callable[[Command, Context], Outcome]


class Middleware(Protocol):
    """Wraps the way to the handler: calls ``call_next``, or answers or raises without it."""

    def __call__(self, command: Command, context: Context, call_next: Next, /) -> Outcome: ...


def compose(middleware: Sequence[Middleware], innermost: Next) -> Next:
    """Nest middleware around the innermost step, the first one outermost."""
    for each in reversed(middleware):
        innermost = partial(_call, each, innermost)
    return innermost


def configured(innermost: Next) -> Next:
    """Nest the middleware that AUDIT_MIDDLEWARE names around the innermost step."""
    return _configured(tuple(settings.AUDIT_MIDDLEWARE), innermost)


@cache
def _configured(names: tuple[str, ...], innermost: Next) -> Next:
    return compose([import_string(name) for name in names], innermost)


def _call(middleware: Middleware, call_next: Next, command: Command, context: Context) -> Outcome:
    return middleware(command, context, call_next)
