"""Outcomes of commands. Refusals and failures are exceptions, except in a replay."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from audit.messages.classes import Event
from audit.messages.exceptions import Failed as FailedError
from audit.messages.exceptions import Refused as RefusedError


class Need(NamedTuple):
    """Approvals that a held command needs from a group, and current approvals."""

    group: str
    needed: int
    have: int


class Progress(NamedTuple):
    """The approval progress of a held command, as shown by the status resource.

    ``state`` is the stored one, ``status`` what is known beyond it.
    """

    state: str
    have: int
    needed: int
    approve_by: datetime | None
    request_id: str
    url: str = ""
    page_url: str = ""
    subject_type: str = ""
    status: str = ""
    needs: tuple[Need, ...] = ()
    execute_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The command took effect. ``secret`` is shown to the caller once and not stored.

    ``is_unchanged`` if everything was already as the command wants it: it has no events.
    """

    command_id: UUID
    result: Any = None
    secret: str | None = field(default=None, repr=False)
    is_repeat: bool = False
    is_unchanged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """The command is held; ``command_id`` is the reference to follow.

    ``progress`` is that of a command that was just held; None for a repeat.
    """

    command_id: UUID
    result_id: str | None = None
    is_repeat: bool = False
    progress: Progress | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRefused:
    """A replayed command was refused; that is final."""

    command_id: UUID
    error: RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFailed:
    """A replayed command failed; it may be retried."""

    command_id: UUID
    error: FailedError


class Trial(NamedTuple):
    """The limits of a rehearsal, and what is read from it.

    A statement may take as long as ``timeout``, and wait for a lock for a quarter of it. ``look``
    is called with the outcome inside the transaction before its rollback, to read the result.
    """

    look: Callable[["Outcome"], Any]
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The outcome of a command that was rolled back. ``seen`` is data read before the rollback."""

    outcome: "Outcome | ReplayOutcome"
    events: tuple[Event, ...] = ()
    seen: Any = None


Outcome: TypeAlias = Completed | Postponed
ReplayOutcome: TypeAlias = Completed | ReplayRefused | ReplayFailed
#: A check of the result of a replay, which raises an error to undo it.
ReplayCheck: TypeAlias = Callable[[ReplayOutcome], object]
