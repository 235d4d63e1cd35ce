"""Criteria of a search in the log."""

from dataclasses import dataclass
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
    command_id: UUID | None = None
    request_id: str = ""
    address: str = ""
    reason: str = ""

    @classmethod
    def seen_by(cls, reader: Actor, *, customer: str | None = None, **wanted: Any) -> Self:
        """Return criteria confined to the tenants of the reader, or to one customer."""
        tenants = frozenset({customer}) if customer else reader.tenants
        return cls(tenants=tenants, **wanted)

    @property
    def goes_by_words(self) -> bool:
        """True if words of the reason are the most selective criterion."""
        is_about_few = self.command_id or self.correlation_id or self.subject or self.request_id
        return bool(self.reason) and not is_about_few

    def kind(self) -> dict[str, str]:
        """Return type, status and channel, by column, without the empty ones."""
        columns = ("message_type", "status", "channel")
        return {name: value for name in columns if (value := getattr(self, name))}
