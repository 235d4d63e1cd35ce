"""The product's URLs, and those of the apps of the tests."""

from django.urls import include, path

from config.urls import handler400, handler404, handler500, urlpatterns
from tests.notes.viewsets import NoteViewSet

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

urlpatterns = [
    *urlpatterns,
    path("api/v2/notes", NoteViewSet.as_view({"post": "create"})),
    path("", include("tests.articles.urls")),
]
