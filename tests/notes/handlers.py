from dataclasses import dataclass
from uuid import UUID

from audit.domain import Command, Event, SubjectOf, generated, handles
from tests.notes.models import Note


@dataclass(frozen=True, kw_only=True)
class WriteNote(Command):
    """Write a note."""

    message_type = "notes.write"
    subject = SubjectOf("note", "note_id")
    tenant_field = "tenant"
    note_id: UUID = generated()
    tenant: str
    text: str


@dataclass(frozen=True, kw_only=True)
class NoteWritten(Event):
    """A note was written."""

    message_type = "notes.written"
    subject = SubjectOf("note", "note_id")
    note_id: UUID


@handles(WriteNote)
def write_note(command, context):
    note = Note.objects.create(id=command.note_id, tenant=command.tenant, text=command.text)
    context.emit(NoteWritten(note_id=note.pk))
    return note
