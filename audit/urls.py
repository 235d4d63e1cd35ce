from django.urls import path

from audit.views import actors, exports, overview, search, stories

app_name = "audit"

urlpatterns = [
    path("", search.search, name="search"),
    path("overview", overview.overview, name="overview"),
    path("subjects/<str:subject_type>/<path:subject_id>", stories.subject, name="subject"),
    path("affairs/<uuid:correlation_id>", stories.affair, name="affair"),
    path("commands/<uuid:command_id>", stories.command, name="command"),
    path("export", exports.export, name="export"),
    path("actors/<str:kind>/<path:actor_id>", actors.actor, name="actor"),
]
