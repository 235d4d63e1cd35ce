"""The first page of the admin: the inbox for approvers, the overview for other users."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from approvals.policies.power import is_approver
from audit.entry.requests import actor_of_request


def first_page(request: HttpRequest) -> HttpResponse:
    """Redirect approvers to their inbox, except with ``?overview``; show others the overview."""
    actor = actor_of_request(request)
    may_see = actor.may("approvals.view_approvalrequest")
    if "overview" not in request.GET and may_see and is_approver(int(actor.person_id)):
        return redirect("admin:approvals_approvalrequest_changelist")
    return admin.site.index(request)
