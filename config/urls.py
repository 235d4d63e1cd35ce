"""The URLs of the whole site."""

from django.contrib import admin
from django.contrib.auth.views import PasswordResetCompleteView
from django.http import Http404
from django.urls import include, path, re_path

import apikeys.rest.urls
import approvals.rest.urls
import approvals.urls
import audit.urls
from approvals.pages.inbox.first_page import first_page, landing
from audit.pages.errors import page_not_found
from audit.sessions.views import ChangeOwnPassword, PasswordChanged, SetPassword, sign_in
from config.site.deprecation import MIGRATION_PAGE, migration_page
from config.site.reference import ReferenceViewSet, reference

handler400 = "audit.pages.errors.bad_request"
handler404 = "audit.pages.errors.page_not_found"
handler500 = "audit.pages.errors.server_error"

_countersign = [
    path("audit/", include([*audit.urls.pages, *approvals.urls.reports])),
    path("log/", include(audit.urls.transparency_log)),
    path("docs/", include(audit.urls.errors)),
    path("requests/", include(approvals.urls.portal)),
    path("case-files/", include(approvals.urls.files)),
    path("api/v2/", include([*audit.urls.api, *approvals.rest.urls.v2])),
]

_api_v2 = [
    path("openapi.json", ReferenceViewSet.as_view({"get": "retrieve"}), name="openapi"),
    path("docs", reference, name="reference"),
    *apikeys.rest.urls.v2,
]

urlpatterns = [
    path("", landing, name="home"),
    path(
        "set-password/<uidb64>/<token>/",
        SetPassword.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "set-password/",
        PasswordResetCompleteView.as_view(title="Password set"),
        name="password_reset_complete",
    ),
    path("password/", ChangeOwnPassword.as_view(), name="change-password"),
    path("password/changed/", PasswordChanged.as_view(), name="password-changed"),
    path("admin/", admin.site.admin_view(first_page)),
    # Django's shortcut to the page of a row fails for invalid ids, and no model has such a page.
    re_path("^admin/r/", page_not_found, {"exception": Http404()}),
    path("admin/login/", sign_in),
    path("", include("audit.sessions.urls")),
    # Django's requires access to the admin.
    path("admin/logout/", admin.site.logout),
    path("admin/password_change/", admin.site.admin_view(ChangeOwnPassword.as_view())),
    path("admin/", admin.site.urls),
    path(MIGRATION_PAGE, migration_page, name="from-v1-to-v2"),
    path("", include((_countersign, audit.urls.app_name))),
    path("api/v1/", include(apikeys.rest.urls.v1)),
    path("api/v2/", include(_api_v2)),
]
