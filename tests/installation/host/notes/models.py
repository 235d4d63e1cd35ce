from django.db import models

from audit.domain import HistoricalRecords, subject


@subject("note")
class Note(models.Model):
    id = models.UUIDField(primary_key=True)
    text = models.TextField()
    history = HistoricalRecords()

    def __str__(self):
        return self.text
