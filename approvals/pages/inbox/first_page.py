"""The first pages: by permission the inbox, the audit log, the admin or one's own requests."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from approvals.pages import links
from approvals.policies.power import is_approver
from audit.entry.requests import actor_of_request

_OWN_REQUESTS = "countersign:own-requests"


def landing(request: HttpRequest) -> HttpResponse:
    """Redirect to the first page of the person, or to the sign-in page."""
    if not request.user.is_authenticated:
        return redirect(settings.LOGIN_URL)
    return redirect(_start(request) or ("admin:index" if _is_staff(request) else _OWN_REQUESTS))


def first_page(request: HttpRequest) -> HttpResponse:
    """Redirect to the first page of the person, except with ``?overview``."""
    start = "" if "overview" in request.GET else _start(request)
    return redirect(start) if start else admin.site.index(request)


def _start(request: HttpRequest) -> str:
    """Return the route of the inbox for approvers, and of the log for auditors; or nothing."""
    actor = actor_of_request(request)
    may_see = _is_staff(request) and actor.may("approvals.view_approvalrequest")
    if may_see and is_approver(int(actor.person_id)):
        return "admin:approvals_approvalrequest_changelist"
    return "countersign:search" if links.may_read_log(actor) else ""


def _is_staff(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_staff", False))
