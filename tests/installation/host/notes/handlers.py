from dataclasses import dataclass
from uuid import UUID

from audit.domain import Command, Event, SubjectOf, generated, handles
from notes.models import Note


@dataclass(frozen=True, kw_only=True)
class Write(Command):
    """Write a note."""

    message_type = "notes.write"
    required_permission = "notes.add_note"
    subject = SubjectOf("note", "note_id")

    note_id: UUID = generated()
    text: str


@dataclass(frozen=True, kw_only=True)
class Written(Event):
    """A note was written."""

    message_type = "notes.written"
    subject = SubjectOf("note", "note_id")

    note_id: UUID


@handles(Write)
def write(command, context):
    note = Note.objects.create(id=command.note_id, text=command.text)
    context.emit(Written(note_id=note.pk))
    return note
