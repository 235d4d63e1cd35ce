"""What the page of a command shows: all of its attempts and events."""

from dataclasses import dataclass
from uuid import UUID

from audit.actors.actors import Actor
from audit.models.records import CommandRecord
from audit.pages.labels import sentence
from audit.pages.lines import Line, full_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPage:
    """One command with all of its attempts, the first one first."""

    command_id: UUID
    correlation_id: UUID
    sentence: str
    lines: list[Line]


def command(command_id: UUID, *, actor: Actor) -> CommandPage | None:
    """Read every attempt at a command; None if the actor may see nothing of it."""
    records = actor.confine(CommandRecord.objects.filter(command_id=command_id))
    lines = full_lines(records.order_by("attempt"), actor=actor)
    if not lines:
        return None
    first = lines[0]
    return CommandPage(
        command_id=command_id,
        correlation_id=first.record.correlation_id,
        sentence=sentence(first.record, label=first.label) or first.command_words,
        lines=lines,
    )
