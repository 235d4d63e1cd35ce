"""Standings of held commands, as declared by the app that holds them.

What holds a command decides its status, not what else the log says of it. Readers of single
commands use `standings`; filters use `sql`, and agree with them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.db.models import Q

from audit.messages.exceptions import Cancelled
from audit.models.records import CommandRecord, Status


class Standing(NamedTuple):
    """The statuses that the records of a held command can have.

    ``end`` is a cancellation that no record has yet, and ``ended_at`` its time.
    """

    statuses: Collection[str]
    end: Cancelled | None = None
    ended_at: datetime | None = None


class StandingSource(Protocol):
    """An app that holds commands."""

    def standings(self, command_ids: Collection[UUID], /) -> Mapping[UUID, Standing]:
        """Return the standings of the held commands among these."""

    def sql(self, command_id: str) -> str:
        """Return an expression for a command: an array, or null if it was never held.

        Its first element is the status without a record that fits; the others are the statuses
        that its records can have.
        """

    def ended(self) -> Q:
        """Match the records of commands whose end no record has yet."""


_Source = TypeVar("_Source", bound=Callable[[], StandingSource])
_sources: list[StandingSource] = []


def decides_standings(source: _Source) -> _Source:
    """Declare a class as a source of standings."""
    _sources.append(source())
    return source


def standings(command_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """Return the standings of the held commands among these."""
    found: dict[UUID, Standing] = {}
    for source in _sources if command_ids else ():
        found |= source.standings(command_ids)
    return found


def waiting(records: Iterable[CommandRecord]) -> set[UUID]:
    """Return the commands that still wait for approval, among those of the postponed records.

    Without postponed records no query is made.
    """
    held = {each.command_id for each in records if each.status == Status.POSTPONED}
    found = standings(held)
    return {each for each, standing in found.items() if Status.POSTPONED in standing.statuses}


def sql(command_id: str) -> str:
    """Return an expression for the standing of a command: see `StandingSource.sql`."""
    return f"COALESCE({', '.join(['NULL::text[]', *(each.sql(command_id) for each in _sources)])})"


def ended() -> Q:
    """Match the records of commands whose end no record has yet."""
    found = Q(pk__in=())
    for source in _sources:
        found |= source.ended()
    return found
