from django.urls import path
from django.views.generic import RedirectView

from audit.pages.exports.view import export
from audit.pages.overview.view import overview
from audit.pages.search.view import search
from audit.pages.timelines import views

app_name = "audit"

urlpatterns = [
    path("", search, name="search"),
    path("overview", overview, name="overview"),
    path("subjects/<str:subject_type>/<path:subject_id>", views.subject, name="subject"),
    path("cases/<uuid:correlation_id>", views.case, name="case"),
    # The former URL: people have it in tickets and bookmarks.
    path(
        "affairs/<uuid:correlation_id>",
        RedirectView.as_view(pattern_name="audit:case", permanent=True, query_string=True),
    ),
    path("commands/<uuid:command_id>", views.command, name="command"),
    path("export", export, name="export"),
    path("actors/<str:kind>/<path:actor_id>", views.actor, name="actor"),
]
