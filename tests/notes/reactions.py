from django.core.mail import mail_managers

from audit.domain import reacts_to
from tests.notes.handlers import NoteWritten


@reacts_to(NoteWritten, name="notes.mail", outside=True)
def announce(event, delivery):
    mail_managers(f"A note was written for {delivery.tenant}", str(event.note_id))
