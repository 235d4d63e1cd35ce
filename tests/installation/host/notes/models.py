from django.db import models

from audit.domain import HistoricalRecords, subject


@subject("note")
class Note(models.Model):
    id = models.UUIDField(primary_key=True)
    text = models.TextField()
    history = HistoricalRecords()

    def __str__(self):
        return self.text


class Tally(models.Model):
    """The number of events about a note."""

    note_id = models.UUIDField(primary_key=True)
    events = models.IntegerField(default=0)

    def __str__(self):
        return f"{self.events} events"
