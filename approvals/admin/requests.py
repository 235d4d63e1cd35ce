"""The admin pages of approval requests: the inbox, one request, and decisions."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import get_conditional_response
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_safe

from approvals.decisions.rehearsal import LONG_TIMEOUT, SHORT_TIMEOUT
from approvals.models import ApprovalRequest
from approvals.pages import links
from approvals.pages.feedback import not_sent
from approvals.pages.inbox import bulk
from approvals.pages.inbox.changelist import Inbox
from approvals.pages.inbox.filter import FILTERS
from approvals.pages.inbox.neighbors import neighbor_url
from approvals.pages.inbox.paginator import KeysetPaginator
from approvals.pages.inbox.tabs import DECIDED, MINE, NEEDS_ME
from approvals.pages.request import announcements, decision, resubmission
from approvals.pages.request import page as request_page
from approvals.pages.signatures import signing_of
from approvals.pages.unsent import keeping_reason, kept_reason
from approvals.requests import listing
from approvals.requests.presentation import sentence_of
from audit.entry.requests import actor_of_request, has_old_sign_in
from audit.pages.admin import HistoryAdmin
from audit.sessions.step_up import confirmation_page

_LIST = "admin:approvals_approvalrequest_changelist"
_NEXT = "admin:approvals_approvalrequest_next"
# The columns of tabs with decided requests in place of the deadline.
_ENDS = {MINE: "status", DECIDED: "result"}
_UNDECIDED = "Nothing was decided"


def _linked(message: str, page: str) -> str:
    return format_html('{} <a href="{}">Open the decided request</a>', message, page)


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(HistoryAdmin):
    subject_type = "approval-request"
    exclude = ("seal",)
    change_list_template = "approvals/inbox.html"
    list_display = ("sentence", "about", "asked_by", "deadline", "progress")
    list_display_links = None
    list_filter = FILTERS
    list_per_page = 25
    paginator = KeysetPaginator
    search_fields = ("requester_label", "reason", "=subject_id")
    search_help_text = "Requester, reason, or the id of a request, command or subject"
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    actions = ("approve_selected", "deny_selected")
    actions_on_top = False
    actions_on_bottom = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRequest]:
        """Return the requests that the user may see, by the rules of the API."""
        return listing.visible_to(actor_of_request(request))

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "approvals_approvalrequest"
        return [
            path("next/", wrap(self.next_view), name=f"{name}_next"),
            path("selected/", wrap(self.selected_view), name=f"{name}_selected"),
            path(
                "<path:object_id>/decide/",
                keeping_reason(wrap(self.decide_view)),
                name=f"{name}_decide",
            ),
            path("<path:object_id>/version/", wrap(self.version_view), name=f"{name}_version"),
            path("<path:object_id>/try/", wrap(self.try_view), name=f"{name}_try"),
            *super().get_urls(),  # type: ignore[no-untyped-call]
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the inbox; the header needs no query for a count that is known."""
        page = super().changelist_view(request, extra_context)
        if isinstance(page, TemplateResponse) and page.context_data:
            page.context_data |= page.context_data["cl"].known_count
        return page

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Inbox]:
        return Inbox

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns of the tab, which are the same for readers of the log."""
        end = _ENDS.get(request.GET.get("tab", NEEDS_ME), "deadline")
        return [end if each == "deadline" else each for each in self.list_display]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for an id of any kind by indexes; for another text, as the stock list does."""
        text = search_term.strip().rpartition(":")[2]
        try:
            identifier = UUID(text)
        except ValueError:
            found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, text)
            return found
        of_subject = Q(subject_id=str(identifier))
        return queryset.filter(Q(pk=identifier) | Q(command_id=identifier) | of_subject), False

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Return the decisions, on the tab with the requests that need them.

        Django 6.1 has actions in several locations; before, there is no such argument.
        """
        is_decidable = request.GET.get("tab", NEEDS_ME) == NEEDS_ME
        location = {"action_location": action_location} if action_location else {}
        found: dict[str, Any] = super().get_actions(request, **location)
        return {name: found[name] for name in self.actions} if is_decidable else {}

    @admin.action(description="Approve selected…")
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return _confirmation("approve", request)

    @admin.action(description="Deny selected…")
    def deny_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return _confirmation("deny", request)

    @admin.display(description="request")
    def sentence(self, row: Any) -> str:
        return _cell("sentence", row)

    @admin.display(description="subject")
    def about(self, row: Any) -> str:
        return _cell("about", row)

    @admin.display(description="requester, reason")
    def asked_by(self, row: Any) -> str:
        return _cell("asked_by", row)

    @admin.display(description="deadline")
    def deadline(self, row: Any) -> str:
        return _cell("end", row)

    @admin.display(description="status")
    def status(self, row: Any) -> str:
        return _cell("end", row)

    @admin.display(description="outcome")
    def result(self, row: Any) -> str:
        return _cell("end", row)

    @admin.display(description="approvals")
    def progress(self, row: Any) -> str:
        return _cell("progress", row)

    def action_checkbox(self, obj: Any) -> SafeString:
        """Return the checkbox, named for the request and checked without JavaScript as well."""
        return format_html(
            '<input type="checkbox" name="_selected_action" value="{}" class="action-select"'
            ' aria-label="Select: {}"{}>',
            obj.pk,
            obj.shown.presented.sentence,
            " checked" if obj.shown.is_selected else "",
        )

    @method_decorator(require_safe)
    def row_page(self, request: HttpRequest, object_id: str, **context: Any) -> HttpResponse:
        """Show one request, with the user's options."""
        # A page that is loaded in advance may never be read.
        is_read = request.method == "GET" and "prefetch" not in request.headers.get(
            "Sec-Purpose", ""
        )
        return self._request_page(request, object_id, timeout=SHORT_TIMEOUT if is_read else None)

    @method_decorator(require_safe)
    def next_view(self, request: HttpRequest) -> HttpResponse:
        """Redirect to a request that needs the user's decision, or to the inbox."""
        return redirect(neighbor_url(request.GET.dict(), actor=actor_of_request(request)))

    @method_decorator(require_safe)
    def version_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the version of a request as an ETag, for pages that are open.

        If it is new to the page, the text says who did what since.
        """
        row = self.visible(request, object_id)
        etag = announcements.etag_of(row, number=row.number)
        response = HttpResponse(
            content_type="text/plain; charset=utf-8",
            headers={"ETag": etag, "Cache-Control": "private, no-cache"},
        )
        answer = get_conditional_response(request, etag=etag, response=response)
        if answer is response:
            since = request.headers.get("If-None-Match", "")
            response.content = "\n".join(announcements.announcements(row, since=since))
        return answer or response

    def try_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one request with the result of a test run."""
        if request.method != "POST":
            return redirect(links.request_url(self.visible(request, object_id).pk))
        return self._request_page(request, object_id, timeout=LONG_TIMEOUT)

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the decision made on the page of a request."""
        row = self.visible(request, object_id)
        if request.method != "POST":
            return not_sent(request, links.request_url(row.pk), fact=_UNDECIDED)
        verb = request.POST.get("decision", "")
        if asked := self._ask_before(verb, row, request=request):
            return asked
        displayed = decision.Displayed.of(request.POST, suffix="", effect=f"effect-{verb}")
        decided = decision.decide(row, verb=verb, displayed=displayed, request=request)
        page = links.request_url(row.pk)
        if decided.level != messages.ERROR and verb in decision.VOTES:
            self.message_user(request, _linked(decided.message, page), decided.level)
            return redirect(f"{reverse(_NEXT)}?decided={row.pk}")
        self.message_user(request, decided.message, decided.level)
        is_to_correct = decided.level == messages.ERROR and resubmission.is_in(request.POST)
        if decided.has_changed or is_to_correct:
            return self._request_page(request, object_id, timeout=SHORT_TIMEOUT)
        if decided.secret is None:
            return redirect(page)
        shown = {"title": "Shown once", "secret": decided.secret, "back": page}
        return self.page(request, "approvals/shown_once.html", **shown)

    def _ask_before(
        self, verb: str, row: ApprovalRequest, *, request: HttpRequest
    ) -> HttpResponse | None:
        """Return a page for a missing reason or an old sign-in; None if neither is the case."""
        if verb in decision.MISSING_REASONS and not request.POST.get("reason", "").strip():
            missing = decision.MISSING_REASONS[verb]
            self.message_user(request, missing, messages.ERROR)
            return self._request_page(
                request, str(row.pk), timeout=SHORT_TIMEOUT, reason_error=missing
            )
        if verb not in decision.VOTES or not has_old_sign_in(request):
            return None
        sentence = sentence_of(row, actor=actor_of_request(request))
        return confirmation_page(request, purpose=f"{decision.VOTES[verb]}: {sentence}.")

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def selected_view(self, request: HttpRequest) -> HttpResponse:
        """Confirm the decision on several requests; then show the result of each."""
        self.check_may_view(request)
        given = request.POST if request.method == "POST" else request.GET
        if not given:
            return not_sent(request, _LIST, fact=_UNDECIDED)
        verb, actor = given.get("verb", ""), actor_of_request(request)
        requests = bulk.selected(given.getlist("request"), actor=actor)
        if verb not in bulk.VERBS or not requests:
            self.message_user(request, "Select the requests to decide.", messages.WARNING)
            return redirect(_LIST)
        if request.method == "POST":
            purpose = f"{bulk.VERBS[verb]} the selected requests."
            if asked := confirmation_page(request, purpose=purpose):
                return asked
            context = bulk.outcome(requests, verb=verb, request=request)
            return self.page(request, "approvals/selected_done.html", **context)
        context = bulk.confirmation(requests, verb=verb, actor=actor)
        return self.page(request, "approvals/selected.html", **context)

    def _request_page(
        self,
        request: HttpRequest,
        object_id: str,
        *,
        timeout: timedelta | None,
        reason_error: str = "",
    ) -> HttpResponse:
        row = self.visible(request, object_id)
        context = request_page.read(
            row, actor=actor_of_request(request), timeout=timeout, typed=request.POST
        )
        context["signing"] = signing_of(row, context["ballot"], request=request)
        context["typed_reason"] = request.POST.get("reason") or kept_reason(request)
        context["reason_error"] = reason_error
        return self.page(request, "approvals/request.html", **context)


def _cell(name: str, row: Any) -> str:
    """Return the content of a column of the list."""
    context = {"row": row.shown, "asked": row.shown.presented}
    return render_to_string(f"approvals/inbox/{name}.html", context)


def _confirmation(verb: str, request: HttpRequest) -> HttpResponse:
    """Return a redirect to the page that confirms a decision on all that was selected.

    Requests that others have decided meanwhile are among them, and say so there.
    """
    selected = request.POST.getlist(ACTION_CHECKBOX_NAME)[: bulk.MOST]
    query = urlencode({"verb": verb, "request": selected}, doseq=True)
    return redirect(f"{reverse('admin:approvals_approvalrequest_selected')}?{query}")
