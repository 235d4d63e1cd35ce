from django.urls import path

from audit import views

app_name = "audit"

urlpatterns = [
    path("", views.recent, name="recent"),
    path("subjects/<str:subject_type>/<path:subject_id>", views.subject, name="subject"),
    path("affairs/<uuid:correlation_id>", views.affair, name="affair"),
    path("commands/<uuid:command_id>", views.command, name="command"),
]
