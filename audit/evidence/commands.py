"""The command and the event of comparisons with the transparency log."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages.classes import Command, Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class RecordLogComparison(Command):
    """Record where the database differs from its transparency log.

    ``leaves`` is the number of compared leaves; ``differences`` are the first ones, as sentences.
    """

    message_type = "audit.record_log_comparison"
    required_permission = "audit.record_log_comparison"

    leaves: int
    found: int
    differences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LogDiffers(Event):
    """A comparison has found rows that differ from the transparency log.

    ``comparison_id`` is the id of the command that recorded them.
    """

    message_type = "audit.log_differs"
    subject = SubjectOf("comparison", "comparison_id")

    comparison_id: UUID
    found: int
