"""What held commands wait for, as the app that holds them tells it.

Audit holds nothing itself and knows nobody who does; like the registry, this is where such an app
declares itself.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from audit.messages import Subject

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Need(NamedTuple):
    """How many people of a group a held command takes, and how many of them approve by now."""

    group: str
    needed: int
    have: int


class Progress(NamedTuple):
    """How far a held command is from being carried out; shown by the status resource."""

    state: str
    have: int
    needed: int
    approve_by: datetime | None
    request_id: str
    url: str = ""
    subject_type: str = ""
    needs: tuple[Need, ...] = ()


class Pending(NamedTuple):
    """A held command that waits for approval, as the resource that it is about tells of it."""

    subject: Subject
    request_id: str
    url: str
    command_id: str
    message_type: str
    approve_by: datetime


class ReportsProgress(Protocol):
    """Tells the progress of a held command, or None if it was never held."""

    def __call__(self, command_id: UUID, /) -> Progress | None: ...


class FindsPending(Protocol):
    """Finds the held commands about some subjects that wait for approval, oldest first."""

    def __call__(self, subjects: Collection[Subject], /) -> Iterable[Pending]: ...


_postponement: list[ReportsProgress] = []
_pending: list[FindsPending] = []


def postponement(function: _Function) -> _Function:
    """Declare the function that reports the progress of held commands."""
    if _postponement:
        message = f"{_postponement[0]!r} reports on held commands already"
        raise ImproperlyConfigured(message)
    _postponement.append(function)
    return function


def pending(function: _Function) -> _Function:
    """Declare a function that finds what waits for approval."""
    _pending.append(function)
    return function


def progress(command_id: UUID) -> Progress | None:
    """Tell how far a held command is, if anything can hold commands."""
    return _postponement[0](command_id) if _postponement else None


def pending_on(subjects: Collection[Subject]) -> dict[Subject, list[Pending]]:
    """Find what waits for approval on each of the subjects, at the same cost for one or many."""
    found: dict[Subject, list[Pending]] = {subject: [] for subject in subjects}
    for find in _pending:
        for each in find(subjects):
            found[each.subject].append(each)
    return found
