"""The product's URLs, and those of the second domain app."""

from django.urls import path

from config.urls import handler400, handler404, handler500, urlpatterns
from tests.notes.viewsets import NoteViewSet

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

urlpatterns = [*urlpatterns, path("api/v2/notes", NoteViewSet.as_view({"post": "create"}))]
