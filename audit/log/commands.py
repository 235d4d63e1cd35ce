"""The commands and events of the log itself."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from audit.messages.classes import Command, Event, Subject, SubjectOf, generated


@dataclass(frozen=True, kw_only=True)
class BeginEpoch(Command):
    """Begin a new epoch of the log, because another database server continues it."""

    message_type = "audit.begin_epoch"
    required_permission = "audit.begin_epoch"


@dataclass(frozen=True, kw_only=True)
class EpochBegun(Event):
    """A new epoch of the log began: the numbering of transactions starts over."""

    message_type = "audit.epoch_begun"
    subject = SubjectOf("epoch", "number")

    number: int


@dataclass(frozen=True, kw_only=True)
class ExportRecords(Command):
    """Export a part of the log as a file.

    ``search`` is the query string that selects the part, and ``snapshot`` the PostgreSQL snapshot
    that it is read from: together they determine exactly which records are exported.
    """

    message_type = "audit.export"
    required_permission = "audit.export_commandrecord"
    subject = SubjectOf("export", "export_id")
    sentence = "Export the results of the search {search} from the log, as {format}"

    export_id: UUID = generated()
    format: Literal["csv", "jsonl", "cloudevents"]
    search: str
    snapshot: str


@dataclass(frozen=True, kw_only=True)
class ExportBegun(Event):
    """An export began; nothing has been sent yet."""

    message_type = "audit.export_begun"
    subject = SubjectOf("export", "export_id")

    export_id: UUID


@dataclass(frozen=True, kw_only=True)
class MakeCaseFile(Command):
    """Make a case file: a signed report on a subject or a case.

    ``about`` is the subject, or the case as `case:` and its id; ``rows`` is the number of attempts.
    """

    message_type = "audit.make_case_file"
    required_permission = "audit.export_commandrecord"
    subject = SubjectOf("export", "export_id")
    sentence = "Make a case file of {about}"

    export_id: UUID = generated()
    about: str
    rows: int
    sha256: str


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
    """An export was sent completely."""

    message_type = "audit.exported"
    subject = SubjectOf("export", "export_id")

    export_id: UUID
    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ExportBrokenOff(Event):
    """An export ended before it was sent completely."""

    message_type = "audit.export_broken_off"
    subject = SubjectOf("export", "export_id")

    export_id: UUID
    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ViewPage(Command):
    """View a page of the log. ``query`` has its filters.

    The page itself checks the permission that it requires.
    """

    message_type = "audit.view_page"

    method: str
    path: str
    query: str


@dataclass(frozen=True, kw_only=True)
class RecordDrift(Command):
    """Record where rows, their history and their events disagree.

    ``differences`` are the first ones, as `audit.tracking.drift.comparison` describes them.
    """

    message_type = "audit.record_drift"
    required_permission = "audit.record_drift"

    rows: int
    found: int
    differences: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class DriftFound(Event):
    """A comparison of rows, their history and their events has found differences.

    ``comparison_id`` is the id of the command that recorded them.
    """

    message_type = "audit.drift_found"
    subject = SubjectOf("comparison", "comparison_id")

    comparison_id: UUID
    rows: int
    found: int


@dataclass(frozen=True, kw_only=True)
class Adopt(Command):
    """Write the initial history of the rows of a table.

    ``model`` is the label of its model, and ``rows`` the number of rows that got a history.
    """

    message_type = "audit.adopt"

    model: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class ChangeOutsideCommand(Command):
    """Change data directly in the database.

    ``subjects`` are the first of those that it changed, each as type and id with a colon between.
    """

    message_type = "audit.change_outside_command"

    subjects: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChangedDirectly(Event):
    """A subject was changed directly in the database. ``outside_values`` are its changed values.

    The names of the fields are not those of columns: see `audit.tracking.folding`.
    """

    message_type = "audit.changed_directly"

    outside_subject: str
    outside_values: dict[str, Any]
    outside_deletion: bool = False

    def subject_reference(self) -> Subject:
        """Return the subject, of any type."""
        kind, _, identifier = self.outside_subject.partition(":")
        return Subject(kind, identifier)
