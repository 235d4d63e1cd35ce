"""The URLs of the log and of approvals, to be included once, at any path."""

from django.db import transaction
from django.urls import include, path

import audit.urls
from approvals.pages import case_files
from approvals.pages.portal.delegations import end_own_delegation, own_delegations
from approvals.pages.portal.passkeys import own_passkeys, remove_own_passkey
from approvals.pages.portal.views import own_request, own_requests
from approvals.pages.reports.view import approvers, export_approvers
from approvals.rest.urls import v2

app_name = "countersign"

portal = [
    path("", own_requests, name="own-requests"),
    path("delegations/", own_delegations, name="own-delegations"),
    path("delegations/<any_uuid:delegation_id>/end/", end_own_delegation, name="end-delegation"),
    path("passkeys/", own_passkeys, name="own-passkeys"),
    path("passkeys/<any_uuid:passkey_id>/remove/", remove_own_passkey, name="remove-passkey"),
    path("<any_uuid:approval_request_id>/", own_request, name="own-request"),
]

files = [
    path("case/<any_uuid:correlation_id>", case_files.of_case, name="case-file-of-case"),
    path(
        "subject/<stored:subject_type>/<stored_path:subject_id>",
        case_files.of_subject,
        name="case-file",
    ),
]

reports = [
    path("approvers", approvers, name="approvers"),
    path("approvers/export", export_approvers, name="export-approvers"),
]

# As in audit.urls.
for _url in (*portal, *files, *reports):
    _url.callback = transaction.non_atomic_requests(_url.callback)

urlpatterns = [
    *audit.urls.urlpatterns,
    path("log/", include(reports)),
    path("requests/", include(portal)),
    path("case-files/", include(files)),
    path("api/", include(v2)),
]
