"""Middleware: the steps that every command passes before its handler."""

from collections.abc import Callable
from functools import cache, partial
from typing import Protocol, TypeAlias

from django.conf import settings
from django.utils.module_loading import import_string

from audit.bus.context import Context
from audit.messages.classes import Command
from audit.messages.outcomes import Outcome

#: The next step towards the handler.
Next: TypeAlias = Callable[[Command, Context], Outcome]


class Middleware(Protocol):
    """A step that calls ``call_next``, or returns or raises without it."""

    def __call__(self, command: Command, context: Context, call_next: Next, /) -> Outcome: ...


def configured(innermost: Next) -> Next:
    """Return the innermost step inside the middleware that AUDIT_MIDDLEWARE names."""
    return _nested(tuple(settings.AUDIT_MIDDLEWARE), innermost)


@cache
def _nested(names: tuple[str, ...], innermost: Next) -> Next:
    for name in reversed(names):
        innermost = partial(_call, import_string(name), innermost)
    return innermost


def _call(middleware: Middleware, call_next: Next, command: Command, context: Context) -> Outcome:
    return middleware(command, context, call_next)
