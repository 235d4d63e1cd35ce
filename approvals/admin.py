from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from approvals import decisions
from approvals.models import ApprovalRequest, Policy, Rule, State
from approvals.presentation import Presented, ballot, present
from audit.admin import HistoryAdmin, shown_time
from audit.models import CommandRecord, Status
from audit.requests import actor_of_request

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
        return queryset if self._chosen == "all" else queryset.filter(state=self._chosen)

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
    ordering = (_PENDING_FIRST.asc(), "-requested_at", "-pk")
    sortable_by = ()
    actions = ("approve_selected", "deny_selected")
    action_form = DecisionActionForm

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
        return redirect("admin:approvals_approvalrequest_change", presented.request.pk)

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
        if presented.problem:
            return format_html(
                '{} <span class="broken">{}</span>', presented.sentence, presented.problem
            )
        return presented.sentence

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
            row.state,
            row.state,
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


class RuleInline(admin.TabularInline):
    model = Rule
    fields = readonly_fields = ("group", "quorum")
    can_delete = False
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return request.user.has_perm("approvals.view_policy")

    def has_add_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        return False


@admin.register(Policy)
class PolicyAdmin(HistoryAdmin):
    subject_type = "policy"
    list_display = ("message_type", "rule", "is_enabled", "version")
    list_filter = ("is_enabled",)
    list_select_related = ("rule__group",)
    ordering = ("message_type", "pk")
    inlines = (RuleInline,)
