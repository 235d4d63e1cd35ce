"""What came of a command. Refusals and failures are exceptions, but for a replay's."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from audit.messages.exceptions import Failed as FailedError
from audit.messages.exceptions import Refused as RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The command took effect. ``secret`` is shown to the caller now or never."""

    command_id: UUID
    result: Any = None
    secret: str | None = field(default=None, repr=False)
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """The command is held; ``command_id`` is the reference to follow."""

    command_id: UUID
    result_id: str | None = None
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A replayed command was turned down; it is settled."""

    command_id: UUID
    error: RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A replayed command failed; it may be tried again."""

    command_id: UUID
    error: FailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a replay would come to now. ``seen`` is what was looked at before all was undone."""

    outcome: "ReplayOutcome"
    event_types: tuple[str, ...] = ()
    seen: Any = None


Outcome: TypeAlias = Completed | Postponed
ReplayOutcome: TypeAlias = Completed | Refused | Failed
