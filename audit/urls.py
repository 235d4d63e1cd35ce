"""The URLs of the log: pages, API and errors, in the namespace of the whole product."""

from urllib.parse import unquote

from django.db import transaction
from django.urls import include, path, re_path, register_converter
from django.urls.converters import StringConverter
from django.views.generic import RedirectView

from audit.evidence.publishing import views as published
from audit.pages.evidence.proofs import proof
from audit.pages.exports.view import export
from audit.pages.overview.tables import tables
from audit.pages.overview.view import overview
from audit.pages.processes.view import instances
from audit.pages.search.view import search
from audit.pages.subscriptions.view import subscriptions
from audit.pages.timelines import views
from audit.rest import error_pages
from audit.rest.references import AnyCaseConverter  # noqa: F401  # registers any_uuid
from audit.rest.viewsets.actors import WhoamiViewSet
from audit.rest.viewsets.log import CommandLogViewSet, EventViewSet
from audit.webhooks.rest.urls import v2 as webhooks

app_name = "countersign"


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

pages = [
    path("", search, name="search"),
    path("overview", overview, name="overview"),
    path("tables", tables, name="tables"),
    path("subscriptions", subscriptions, name="subscriptions"),
    path("processes", instances, name="processes"),
    path("subjects/<stored:subject_type>/<stored_path:subject_id>", views.subject, name="subject"),
    path("cases/<any_uuid:correlation_id>", views.case, name="case"),
    # The former URL: people have it in tickets and bookmarks.
    path(
        "affairs/<any_uuid:correlation_id>",
        RedirectView.as_view(pattern_name="countersign:case", permanent=True, query_string=True),
    ),
    path("commands/<any_uuid:command_id>", views.command, name="command"),
    path("commands/<any_uuid:command_id>/proof", proof, name="command-proof"),
    path("export", export, name="export"),
    path("actors/<stored:kind>/<stored_path:actor_id>", views.actor, name="actor"),
]

api = [
    path("whoami", WhoamiViewSet.as_view({"get": "retrieve"}), name="whoami"),
    path("commands", CommandLogViewSet.as_view({"get": "list"}), name="commands"),
    path(
        "commands/<any_uuid:command_id>",
        CommandLogViewSet.as_view({"get": "retrieve"}),
        name="command-status",
    ),
    path("events", EventViewSet.as_view({"get": "list"}), name="events"),
    *webhooks,
]

errors = [
    path("errors", error_pages.index, name="errors"),
    path("errors/<slug:name>", error_pages.error, name="error"),
]

_LOG = r"^(?P<log>[1-9][0-9]{0,8})"
transparency_log = [
    re_path(rf"{_LOG}/checkpoint$", published.checkpoint, name="log-checkpoint"),
    re_path(rf"{_LOG}/witnessed$", published.witnessed, name="log-witnessed"),
    re_path(rf"{_LOG}/keys$", published.keys, name="log-keys"),
    re_path(rf"{_LOG}/(?P<path>tile/[0-9a-z/.]+)$", published.tile, name="log-tile"),
    # Of the paths below the prefix, those of pages come before.
    re_path("", published.missing),
]

# ATOMIC_REQUESTS leaves all of them alone: the bus opens the transaction.
for _url in (*pages, *errors, *transparency_log):
    _url.callback = transaction.non_atomic_requests(_url.callback)

urlpatterns = [
    path("log/", include([*pages, *transparency_log])),
    path("", include(errors)),
    path("api/", include(api)),
]
