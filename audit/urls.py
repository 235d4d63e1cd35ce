from urllib.parse import unquote

from django.urls import path, register_converter
from django.urls.converters import StringConverter
from django.views.generic import RedirectView

from audit.pages.exports.view import export
from audit.pages.overview.tables import tables
from audit.pages.overview.view import overview
from audit.pages.search.view import search
from audit.pages.timelines import views
from audit.rest.references import AnyCaseConverter  # noqa: F401  # registers any_uuid

app_name = "audit"


class StoredText(StringConverter):
    """A type or an id in a URL: any stored text, also an empty one, or one with line breaks."""

    regex = r"[^/]*"

    def to_python(self, value: str) -> str:
        return unquote(value)

    def to_url(self, value: object) -> str:
        """Escape what separates URLs, which the browser then escapes once more."""
        return str(value).replace("%", "%25").replace("/", "%2F")


class StoredPath(StoredText):
    """The rest of a URL: an id, which may contain slashes."""

    regex = r"[\s\S]*"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(StoredText, "stored")
register_converter(StoredPath, "stored_path")

urlpatterns = [
    path("", search, name="search"),
    path("overview", overview, name="overview"),
    path("tables", tables, name="tables"),
    path("subjects/<stored:subject_type>/<stored_path:subject_id>", views.subject, name="subject"),
    path("cases/<any_uuid:correlation_id>", views.case, name="case"),
    # The former URL: people have it in tickets and bookmarks.
    path(
        "affairs/<any_uuid:correlation_id>",
        RedirectView.as_view(pattern_name="audit:case", permanent=True, query_string=True),
    ),
    path("commands/<any_uuid:command_id>", views.command, name="command"),
    path("export", export, name="export"),
    path("actors/<stored:kind>/<stored_path:actor_id>", views.actor, name="actor"),
]
