"""The pages of requesters: anyone who is signed in sees the requests that they made."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.messages import constants as levels
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from approvals.models import ApprovalRequest
from approvals.pages.portal import actions, page
from approvals.pages.request import resubmission
from approvals.pages.unsent import keeping_reason, kept_reason
from approvals.requests import listing
from audit.entry.requests import actor_of_request
from audit.pages.access import rendered


@require_safe
@never_cache
@login_required
def own_requests(request: HttpRequest) -> HttpResponse:
    """Return the list of the person's requests."""
    context = page.read_list(request.GET, actor=actor_of_request(request))
    return rendered(request, "approvals/own_requests.html", title="My requests", **context)


@keeping_reason
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def own_request(request: HttpRequest, approval_request_id: UUID) -> HttpResponse:
    """Return the page of one request, or the outcome of a form on it."""
    actor = actor_of_request(request)
    row = get_object_or_404(listing.requested_by(actor), pk=approval_request_id)
    if request.method != "POST":
        return _page(row, request=request)
    done = actions.act(row, request=request)
    messages.add_message(request, done.level, done.message)
    if done.level == levels.ERROR and resubmission.is_in(request.POST):
        return _page(row, request=request, typed=request.POST)
    if done.secret is None:
        return redirect(done.page)
    return rendered(
        request,
        "approvals/shown_once.html",
        title="Shown once",
        secret=done.secret,
        back=done.page,
    )


def _page(
    row: ApprovalRequest, *, request: HttpRequest, typed: QueryDict | None = None
) -> HttpResponse:
    """Return the page of one request, with what was ``typed`` into the form to resubmit it."""
    context = page.read_one(row, actor=actor_of_request(request), typed=typed)
    context["unsent_reason"] = kept_reason(request)
    title = context["asked"].sentence
    return rendered(request, "approvals/own_request.html", title=title, **context)
