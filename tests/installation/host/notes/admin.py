from django.contrib import admin

from audit.pages import HistoryAdmin
from notes.models import Note


@admin.register(Note)
class NoteAdmin(HistoryAdmin):
    subject_type = "note"
    list_display = ("text",)
