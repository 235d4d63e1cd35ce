"""Labels of votes and the approvers of held commands.

The app that holds commands declares itself as a source: the log knows neither requests nor votes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.db.models import Model

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, Record, Status


class ApprovalSource(Protocol):
    """An app that holds commands until they are approved."""

    #: The type of the subjects that its commands decide.
    subject_type: str
    #: The types of the commands that end a request without executing its command.
    denials: Collection[str]

    def held_commands(
        self, rows: Mapping[Subject, Model], /, *, actor: Actor
    ) -> Mapping[Subject, str]:
        """Return the sentences of the commands that the requests among these rows hold."""

    def approvers(self, command_ids: Collection[UUID], /) -> Mapping[UUID, Sequence[str]]:
        """Return the names of those whose approvals of held commands are current."""


_Source = TypeVar("_Source", bound=Callable[[], ApprovalSource])
_sources: list[ApprovalSource] = []


def knows_approvals(source: _Source) -> _Source:
    """Declare a class as a source of held commands and approvers."""
    _sources.append(source())
    return source


def request_types() -> list[str]:
    """Return the types of the subjects that hold a command, each row with its ``command_id``."""
    return [source.subject_type for source in _sources]


class Decided(NamedTuple):
    """The command that a record decides, and those who approved its own.

    ``held_command`` is the sentence of the command that a request holds, if the record is about a
    request; ``approvers`` are the names of those who approved its own command.
    """

    held_command: str = ""
    approvers: Sequence[str] = ()


def decided_by(
    records: Sequence[Record], *, rows: Mapping[Subject, Model], actor: Actor
) -> list[Decided]:
    """Return what each record decides, and who approved it.

    ``rows`` are the subjects of the records that the actor may see.
    """
    held: dict[Subject, str] = {}
    for source in _sources:
        held |= source.held_commands(rows, actor=actor)
    approved_by = approvers(records)
    return [
        Decided(
            held.get(Subject(each.subject_type, each.subject_id), ""),
            approved_by.get(each.command_id, ()) if _was_held(each) else (),
        )
        for each in records
    ]


def approvers(records: Iterable[Record]) -> dict[UUID, Sequence[str]]:
    """Return the names of the approvers of each command that was held, by command id."""
    held = {each.command_id for each in records if _was_held(each)}
    found: dict[UUID, Sequence[str]] = {}
    for source in _sources if held else ():
        found |= source.approvers(held)
    return found


def requests_among(subjects: Iterable[Subject]) -> set[Subject]:
    """Return the subjects that are requests for approval."""
    types = {source.subject_type for source in _sources}
    return {each for each in subjects if each.type in types}


def is_denial(message_type: str) -> bool:
    """Return True if commands of this type end a request without executing its command."""
    return any(message_type in source.denials for source in _sources)


def _was_held(record: Record) -> bool:
    """Return True if an attempt was held, or followed one that may have been."""
    if not isinstance(record, CommandRecord):
        return False
    return record.status == Status.POSTPONED or record.attempt > 1
