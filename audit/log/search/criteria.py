"""What to look for in the log."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from audit.actors.actors import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a command has to be like to be found. What is empty is like anything.

    ``tenants`` are those whose commands may be found at all; None stands for every tenant.
    ``actor`` is kind:id or the beginning of a name, ``subject`` is type:id or an id alone.
    ``until`` is the first moment that no longer counts.
    """

    tenants: frozenset[str] | None
    since: datetime | None = None
    until: datetime | None = None
    status: str = ""
    message_type: str = ""
    channel: str = ""
    actor: str = ""
    subject: str = ""
    correlation_id: UUID | None = None
    reason: str = ""

    @classmethod
    def seen_by(cls, reader: Actor, *, customer: str | None = None, **wanted: Any) -> Self:
        """Confine a search to the tenants of the reader, or to one customer among them."""
        tenants = frozenset({customer}) if customer else reader.tenants
        return cls(tenants=tenants, **wanted)

    @property
    def sees_nothing(self) -> bool:
        """Whether there is no tenant whose commands may be found."""
        return self.tenants is not None and not self.tenants

    @property
    def goes_by_words(self) -> bool:
        """Whether nothing narrower than words of the reason is looked for."""
        return bool(self.reason) and not (self.correlation_id or self.subject)

    def within(self, since: datetime | None, until: datetime | None) -> Self:
        """Look in another stretch of time."""
        return replace(self, since=since, until=until)

    def of_any_kind(self) -> Self:
        """Look for commands of whatever kind."""
        return replace(self, status="", message_type="", channel="")

    def kind(self) -> dict[str, str]:
        """Name the columns that tell what kind of command is looked for."""
        wanted = {
            "message_type": self.message_type,
            "status": self.status,
            "channel": self.channel,
        }
        return {column: value for column, value in wanted.items() if value}
