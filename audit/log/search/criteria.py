"""Criteria of a search in the log."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from audit.actors.actors import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """The properties of the commands to find. An empty field matches every command.

    ``tenants`` are those whose commands may be found at all; None stands for every tenant.
    ``actor`` is kind:id or the beginning of a name, ``subject`` is type:id or an id alone.
    ``until`` is exclusive.
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
        """True if words of the reason are the most selective criterion."""
        return bool(self.reason) and not (self.correlation_id or self.subject)

    def within(self, since: datetime | None, until: datetime | None) -> Self:
        """Return the same criteria for another time range."""
        return replace(self, since=since, until=until)

    def of_any_kind(self) -> Self:
        """Return the same criteria without type, status and channel."""
        return replace(self, status="", message_type="", channel="")

    def kind(self) -> dict[str, str]:
        """Return type, status and channel, by column, without the empty ones."""
        wanted = {
            "message_type": self.message_type,
            "status": self.status,
            "channel": self.channel,
        }
        return {column: value for column, value in wanted.items() if value}
