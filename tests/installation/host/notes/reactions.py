from django.db.models import F

from audit.domain import reacts_to
from notes.handlers import Written
from notes.models import Tally


@reacts_to(Written, name="notes.tallies")
def count(event, delivery):
    Tally.objects.get_or_create(note_id=event.note_id)
    Tally.objects.filter(note_id=event.note_id).update(events=F("events") + 1)
