from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from approvals import decisions
from approvals.models import ApprovalRequest, State
from approvals.people_admin import GroupAdmin, UserAdmin
from approvals.policy_admin import PolicyAdmin
from approvals.presentation import Presented, ballot, present
from audit.admin import HistoryAdmin, shown_time
from audit.models import CommandRecord, Status
from audit.requests import actor_of_request

__all__ = ["ApprovalRequestAdmin", "GroupAdmin", "PolicyAdmin", "UserAdmin"]

_PENDING_FIRST = Case(
    When(state=State.PENDING, then=Value(0)), default=Value(1), output_field=IntegerField()
)


class DecisionActionForm(ActionForm):
    """The action, and why."""

    reason = forms.CharField(
        label="Reason:",
        required=False,
        widget=forms.TextInput(attrs={"maxlength": decisions.LONGEST_REASON, "size": 40}),
    )


class StateFilter(admin.SimpleListFilter):
    """Shows what waits for a decision, unless one asks for something else."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [*State.choices, ("all", "All")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]
    ) -> QuerySet[ApprovalRequest]:
        late = Q(state=State.PENDING, approve_by__lte=timezone.now())
        match self._chosen:
            case "all":
                return queryset
            case State.PENDING:
                return queryset.filter(state=State.PENDING, approve_by__gt=timezone.now())
            case State.EXPIRED:
                return queryset.filter(late | Q(state=State.EXPIRED))
            case chosen:
                return queryset.filter(state=chosen)

    def choices(self, changelist: ChangeList) -> Any:
        """List the states, with the default marked as such."""
        for value, title in self.lookup_choices:
            yield {
                "selected": self._chosen == str(value),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    @property
    def _chosen(self) -> str:
        return self.value() or State.PENDING


class _PresentedList(ChangeList):
    """The rows of a page, each with what its payload says, read for all of them at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = present(self.result_list, actor=actor_of_request(request))
        for row in rows:
            row.request.presented = row  # type: ignore[attr-defined]
        self.result_list = [row.request for row in rows]


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(HistoryAdmin):
    tenant_field = "tenant"
    subject_type = "approval-request"
    exclude = ("seal",)
    list_display = (
        "what",
        "requester_label",
        "why",
        "requested",
        "progress",
        "state_and_time",
        "seen_digest",
    )
    list_display_links = ("what",)
    list_filter = (StateFilter,)
    search_fields = ("requester_label", "reason", "=subject_id")
    ordering = ("-requested_at", "-pk")
    sortable_by = ()
    actions = ("approve_selected", "deny_selected")
    action_form = DecisionActionForm

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Begin with what is pending where all states are shown; else an index has the order."""
        shows_all = request.GET.get(StateFilter.parameter_name) == "all"
        return (_PENDING_FIRST.asc(), *self.ordering) if shows_all else self.ordering

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _PresentedList

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide_view)
        name = "approvals_approvalrequest_decide"
        return [path("<path:object_id>/decide/", decide, name=name), *super().get_urls()]  # type: ignore[no-untyped-call]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one request, and what one may do about it."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(("GET", "HEAD"))
        actor = actor_of_request(request)
        (presented,) = present([self.visible(request, object_id)], actor=actor)
        held = CommandRecord.objects.filter(
            command_id=presented.request.command_id, status=Status.POSTPONED
        )
        context = {
            "opts": self.opts,
            "title": presented.sentence,
            "asked": presented,
            "ballot": ballot(presented, actor=actor),
            "votes": sorted(presented.request.votes.all(), key=lambda vote: vote.cast_at),
            "held": held.first(),
            "successor": _successor(presented.request),
            "longest_reason": decisions.LONGEST_REASON,
        }
        context = self.admin_site.each_context(request) | context | (extra_context or {})
        return TemplateResponse(request, "approvals/request.html", context)

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take the decision that was made on the page of a request."""
        if request.method != "POST":
            return HttpResponseNotAllowed(("POST",))
        actor = actor_of_request(request)
        (presented,) = present([self.visible(request, object_id)], actor=actor)
        decided = decisions.decide(
            presented,
            verb=request.POST.get("decision", ""),
            digest=request.POST.get("digest", ""),
            request=request,
        )
        self.message_user(request, decided.message, decided.level)
        page = reverse("admin:approvals_approvalrequest_change", args=[presented.request.pk])
        if decided.secret is None:
            return redirect(page)
        shown = {"title": "Shown this once", "secret": decided.secret, "back": page}
        context = self.admin_site.each_context(request) | shown
        return TemplateResponse(request, "approvals/shown_once.html", context)

    @admin.action(description="Approve selected")
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        """Approve each of the selected requests, one by one."""
        self._decide_selected(request, verb="approve")

    @admin.action(description="Deny selected")
    def deny_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        """Deny each of the selected requests, one by one."""
        self._decide_selected(request, verb="deny")

    @admin.display(description="what")
    def what(self, row: Any) -> str:
        presented: Presented = row.presented
        problems = [*filter(None, [presented.problem]), *presented.flags]
        flags = format_html_join(
            "", ' <span class="broken">{}</span>', ([each] for each in problems)
        )
        return format_html("{}{}", presented.sentence, flags)

    @admin.display(description="reason", empty_value="—")
    def why(self, row: ApprovalRequest) -> str:
        return row.reason

    @admin.display(description="asked for")
    def requested(self, row: ApprovalRequest) -> str:
        return shown_time(row.requested_at)

    @admin.display(description="approvals")
    def progress(self, row: Any) -> str:
        return str(row.presented.progress)

    @admin.display(description="state")
    def state_and_time(self, row: Any) -> str:
        presented: Presented = row.presented
        urgency = "urgent" if presented.time_left and presented.is_urgent else "quiet"
        return format_html(
            '<span class="status status-{}">{}</span> <span class="{}">{}</span>',
            row.present_state,
            row.present_state,
            urgency,
            presented.time_left,
        )

    @admin.display(description="digest")
    def seen_digest(self, row: Any) -> str:
        """Show what identifies the content, and send it along with the decision."""
        return format_html(
            '<code>{}</code><input type="hidden" name="digest-{}" value="{}">',
            row.presented.short_digest,
            row.pk,
            row.digest,
        )

    def _decide_selected(self, request: HttpRequest, *, verb: str) -> None:
        # Not the queryset of the list: what was decided meanwhile has left that, and is to be
        # answered as well.
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        rows = self.get_queryset(request).filter(pk__in=selected)
        for presented in present(rows, actor=actor_of_request(request)):
            digest = request.POST.get(f"digest-{presented.request.pk}", "")
            decided = decisions.decide(presented, verb=verb, digest=digest, request=request)
            self.message_user(request, decided.message, decided.level)


def _successor(row: ApprovalRequest) -> ApprovalRequest | None:
    """Find the request that took the place of one that was superseded."""
    if row.state != State.SUPERSEDED:
        return None
    return ApprovalRequest.of_command(row.command_id).first()
