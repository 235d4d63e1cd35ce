"""What one sees first in the admin: approvers their inbox, others what there is."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from approvals.policies.power import is_approver
from audit.entry.requests import actor_of_request


def first_page(request: HttpRequest) -> HttpResponse:
    """Lead people who can vote to their inbox; ``?overview`` shows them the overview as well."""
    if "overview" not in request.GET and _can_vote(request):
        return redirect("admin:approvals_approvalrequest_changelist")
    return admin.site.index(request)


def _can_vote(request: HttpRequest) -> bool:
    actor = actor_of_request(request)
    may_see = actor.may("approvals.view_approvalrequest")
    return may_see and is_approver(int(actor.person_id))
