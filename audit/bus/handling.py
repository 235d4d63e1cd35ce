"""Handlers and other declarations of apps about the commands on the bus."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from audit.bus.context import Context
from audit.messages.classes import Command
from audit.messages.declarations import declare, declaring
from audit.models.lean import LeanModel

_CommandType = TypeVar("_CommandType", bound=Command)
_Result = TypeVar("_Result")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class OpeningRead(NamedTuple):
    """An SQL expression that is read with the opening of a dispatch, and its one parameter."""

    sql: str
    parameter: Callable[[Command], Any]


_handlers: dict[type[Command], Callable[[Any, Context], Any]] = {}
_governance: list[Callable[[type[Command]], str]] = []
_preconditions: dict[type[Command], Callable[[Any, Context], bool | None]] = {}

#: The models whose rows handlers lock first, by command.
locked_models: dict[type[Command], type[LeanModel]] = {}
#: The expressions that are read with the opening of each dispatch, by name.
opening_reads: dict[str, OpeningRead] = {}


def handles(
    command_class: type[_CommandType], *, locks: type[LeanModel] | None = None
) -> Callable[
    [Callable[[_CommandType, Context], _Result]], Callable[[_CommandType, Context], _Result]
]:
    """Declare the one function that executes a command.

    ``locks`` is the model of the command's subject if the handler's first statement locks that row
    with ``objects.locked(pk=…)``. The bus then takes the lock in its first round trip.
    """
    if locks:
        locked_models[command_class] = locks
    return declaring(_handlers, command_class, what="handler of")


def precondition(*command_classes: type[Command]) -> Callable[[_Function], _Function]:
    """Declare the function that refuses commands which cannot be executed as they are.

    It is called before such a command is held, so that no approver decides in vain; the handler
    has to call it as well. If it returns False, the command would change nothing, and is executed
    at once.
    """
    return declaring(_preconditions, *command_classes, what="precondition of")


def asked_at_opening(name: str, sql: str) -> Callable[[_Function], _Function]:
    """Declare an SQL expression to read before the middleware, without another round trip.

    The decorated function returns its one parameter; the value is in ``context.facts[name]``.
    """

    def register(function: _Function) -> _Function:
        declare(opening_reads, name, OpeningRead(sql, function), what="read at opening")
        return function

    return register


def describes_policies(function: _Function) -> _Function:
    """Declare the function that names the policies for a type of command, or returns ""."""
    _governance.append(function)
    return function


def command_classes() -> list[type[Command]]:
    """Return the commands that have a handler, sorted by message type."""
    return sorted(_handlers, key=lambda command_class: command_class.message_type)


def handler(command_class: type[Command]) -> Callable[[Any, Context], Any] | None:
    """Return the function that executes a command, or None."""
    return _handlers.get(command_class)


def check_precondition(command: Command, context: Context) -> bool:
    """Check the declared precondition of a command; return False if it would change nothing.

    :raises Refused: if the command cannot be executed as it is.
    """
    check = _preconditions.get(type(command))
    return check is None or check(command, context) is not False


def governance(command_class: type[Command]) -> str:
    """Return the names of the policies for a type of command."""
    return "; ".join(filter(None, (describe(command_class) for describe in _governance)))
