"""Handlers, and what else the apps declare about the commands on the bus."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from audit.bus.context import Context
from audit.messages.classes import Command
from audit.messages.declarations import declare
from audit.models.lean import LeanModel

_CommandType = TypeVar("_CommandType", bound=Command)
_Result = TypeVar("_Result")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Governs(Protocol):
    """Tells in a few words which policy governs a type of command; empty if none does."""

    def __call__(self, command_class: type[Command], /) -> str: ...


class OpeningRead(NamedTuple):
    """Something that a middleware has to know, answered by the statement that opens a dispatch."""

    sql: str
    parameter: Callable[[Command], Any]


_handlers: dict[type[Command], Callable[[Any, Context], Any]] = {}
_locks: dict[type[Command], type[LeanModel]] = {}
_governance: list[Governs] = []
_opening_reads: dict[str, OpeningRead] = {}
_preconditions: dict[type[Command], Callable[[Any, Context], None]] = {}


def handles(
    command_class: type[_CommandType], *, locks: type[LeanModel] | None = None
) -> Callable[
    [Callable[[_CommandType, Context], _Result]], Callable[[_CommandType, Context], _Result]
]:
    """Declare the one function that executes a command.

    ``locks`` is the model of the command's subject if the handler's first statement locks that row
    with ``objects.locked(pk=…)``. The bus then takes the lock in its first round trip.
    """

    def register(
        function: Callable[[_CommandType, Context], _Result],
    ) -> Callable[[_CommandType, Context], _Result]:
        declare(_handlers, command_class, function, what="handler of")
        if locks:
            _locks[command_class] = locks
        return function

    return register


def precondition(*command_classes: type[Command]) -> Callable[[_Function], _Function]:
    """Declare the function that refuses commands which could never be carried out as they are.

    It is called before such a command is held, so that nobody is asked to approve it in vain; the
    handler has to call it as well.
    """

    def register(function: _Function) -> _Function:
        for command_class in command_classes:
            declare(_preconditions, command_class, function, what="precondition of")
        return function

    return register


def asked_at_opening(name: str, sql: str) -> Callable[[_Function], _Function]:
    """Have an SQL expression answered before the middleware runs, without a trip of its own.

    The decorated function gives its one parameter; the answer is in ``context.facts[name]``.
    """

    def register(function: _Function) -> _Function:
        declare(_opening_reads, name, OpeningRead(sql, function), what="read at opening")
        return function

    return register


def describes_policies(function: _Function) -> _Function:
    """Declare the function that tells which policy governs a type of command."""
    _governance.append(function)
    return function


def command_classes() -> list[type[Command]]:
    """Every command that has a handler, by name."""
    return sorted(_handlers, key=lambda command_class: command_class.message_type)


def handler(command_class: type[Command]) -> Callable[[Any, Context], Any] | None:
    """Find the function that carries a command out."""
    return _handlers.get(command_class)


def locked_model(command_class: type[Command]) -> type[LeanModel] | None:
    """Return the model whose row the handler of a command locks first, if it declares one."""
    return _locks.get(command_class)


def check_precondition(command: Command, context: Context) -> None:
    """Refuse a command that could never be carried out as it is, if its app can tell.

    :raises Refused: in the app's words.
    """
    refuse = _preconditions.get(type(command))
    if refuse:
        refuse(command, context)


def opening_reads() -> dict[str, OpeningRead]:
    """Everything that is asked when a dispatch opens."""
    return _opening_reads


def governance(command_class: type[Command]) -> str:
    """Tell which policies govern a type of command."""
    return "; ".join(filter(None, (describe(command_class) for describe in _governance)))
