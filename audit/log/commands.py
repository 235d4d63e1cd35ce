"""What can be asked of the log itself."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from audit.messages.classes import Command, Event, SubjectOf, generated


@dataclass(frozen=True, kw_only=True)
class BeginEpoch(Command):
    """Begin a new epoch of the log, after the database was restored from a dump."""

    message_type = "audit.begin_epoch"
    required_permission = "audit.begin_epoch"


@dataclass(frozen=True, kw_only=True)
class EpochBegun(Event):
    """Transactions are numbered anew from here on."""

    message_type = "audit.epoch_begun"
    subject = SubjectOf("epoch", "number")

    number: int


@dataclass(frozen=True, kw_only=True)
class ExportRecords(Command):
    """Export a part of the log as a file.

    ``search`` is the query string that picks the part, and ``snapshot`` the state of the database
    that it is picked from: together they say exactly which records leave.
    """

    message_type = "audit.export"
    required_permission = "audit.export_commandrecord"
    subject = SubjectOf("export", "export_id")
    sentence = "Export the results of the search “{search}” from the log, as {format}"

    export_id: UUID = generated()
    format: Literal["csv", "jsonl", "cloudevents"]
    search: str
    snapshot: str


@dataclass(frozen=True, kw_only=True)
class ExportBegun(Event):
    """A part of the log is on its way out; nothing of it has left yet."""

    message_type = "audit.export_begun"
    subject = SubjectOf("export", "export_id")

    export_id: UUID


@dataclass(frozen=True, kw_only=True)
class EndExport(Command):
    """Record the size and SHA-256 of an export."""

    message_type = "audit.end_export"
    required_permission = "audit.export_commandrecord"
    subject = SubjectOf("export", "export_id")

    export_id: UUID
    rows: int
    sha256: str
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class Exported(Event):
    """All of an export has been sent."""

    message_type = "audit.exported"
    subject = SubjectOf("export", "export_id")

    export_id: UUID
    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ExportBrokenOff(Event):
    """An export has ended before all of it was sent."""

    message_type = "audit.export_broken_off"
    subject = SubjectOf("export", "export_id")

    export_id: UUID
    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ViewPage(Command):
    """View a page of the log. ``query`` has its filters.

    The page itself asks for the permission that it needs.
    """

    message_type = "audit.view_page"

    method: str
    path: str
    query: str


@dataclass(frozen=True, kw_only=True)
class ChangeOutsideCommand(Command):
    """Change data directly in the database."""

    message_type = "audit.change_outside_command"
