"""Likeness of names: a command that gives a name, and the rows whose names are confusable with it.

The apps declare how to find the rows; see `audit.messages.confusables`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from audit.actors.actors import Actor
from audit.messages.classes import Command
from audit.messages.declarations import declaring
from audit.messages.exceptions import Conflict

_Function = TypeVar("_Function", bound=Callable[..., Any])
_finders: dict[type[Command], Callable[[Sequence[Any], Actor], Sequence[Sequence[str]]]] = {}
_MOST_NAMED = 3


class SimilarName(Conflict):
    """The name is easily confused with another one."""

    title = "Similar name"
    remedy = "Use another name, or repeat the request with confirm_similar_name set to true."


def finds_similar(*command_classes: type[Command]) -> Callable[[_Function], _Function]:
    """Declare the function that finds the rows with names like those that commands give.

    It takes several commands and an actor, and returns for each command the labels of the rows that
    the actor may see.
    """
    return declaring(_finders, *command_classes, what="finder of similar names of")


def similar_to(commands: Sequence[Command], *, actor: Actor) -> list[Sequence[str]]:
    """Return the labels of similar rows for each command: one query for each type of command."""
    found: dict[int, Sequence[str]] = {}
    for command_class in {type(each) for each in commands} & _finders.keys():
        own = [place for place, each in enumerate(commands) if type(each) is command_class]
        labels = _finders[command_class]([commands[place] for place in own], actor)
        found |= dict(zip(own, labels, strict=True))
    return [found.get(place, ()) for place in range(len(commands))]


def check_confirmed(similar: Sequence[str], *, is_confirmed: bool) -> None:
    """Check that the sender of a command knows of the rows with similar names.

    :raises SimilarName: naming some of them, if it is not confirmed.
    """
    if similar and not is_confirmed:
        raise SimilarName(warning(similar))


def warning(similar: Sequence[str]) -> str:
    """Return a sentence about the rows whose names are similar to a new one."""
    others = ", ".join(similar[:_MOST_NAMED])
    more = f" and {len(similar) - _MOST_NAMED} more" if len(similar) > _MOST_NAMED else ""
    return f"The name is easily confused with {others}{more}."
