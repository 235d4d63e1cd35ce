"""The admin pages of policies: reading, drafts, previews and proposals."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_safe

from approvals.models import Effect, Policy
from approvals.pages.execution_times import FIELD, ExecutionTimeForm
from approvals.pages.feedback import send
from approvals.pages.policy import page as policy_page
from approvals.pages.policy import preview as policy_preview
from approvals.pages.policy.drafts import EFFECT_LABELS, PolicyForm, current_settings, initial_of
from approvals.pages.tenants import tenant_names
from approvals.policies.commands import CreatePolicy, DisablePolicy, EditPolicy
from approvals.policies.explanations import explain_all
from audit.bus import store
from audit.entry.requests import LONGEST_REASON, actor_of_request
from audit.messages.classes import Subject
from audit.models.records import CommandRecord
from audit.pages.admin import HistoryAdmin
from audit.pages.linked_rows import LinkedRows
from audit.pages.list_parameters import ChoicesFilter

# What the forms send besides the draft.
_NOT_DRAFTED = ("csrfmiddlewaretoken", "step", "seen", "reason", FIELD)


class ExplainForm(forms.Form):
    """A command to explain."""

    command_id = forms.UUIDField(label="Command id")


class _PolicyRows(LinkedRows):
    """The policies of a page, each with the name of its tenant."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        tenants = {policy.tenant for policy in self.result_list}
        names = tenant_names(tenants, actor=actor_of_request(request))
        for policy in self.result_list:
            policy.tenant_name = names[policy.tenant]


@admin.register(Policy)
class PolicyAdmin(HistoryAdmin):
    subject_type = "policy"
    list_display = (
        "governs",
        "tenant_name",
        "effect",
        "condition",
        "required_approvals",
        "is_enabled",
        "version",
        "seal",
    )
    list_filter = ("is_enabled", ("effect", ChoicesFilter))
    ordering = ("governs", "pk")
    change_list_template = "approvals/policies.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        """Return the policies for all tenants, and for tenants that the user may see."""
        policies = super().get_queryset(request).prefetch_related("rules__group", "seals")
        return actor_of_request(request).confine(policies, also=Q(tenant=""))

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "approvals_policy"
        return [
            path("new/", view(self.draft_view), name=f"{name}_new"),
            path("explain/", view(self.explain_view), name=f"{name}_explain"),
            path("<path:object_id>/edit/", view(self.draft_view), name=f"{name}_edit"),
            path("<path:object_id>/disable/", view(self.disable_view), name=f"{name}_disable"),
            *super().get_urls(),  # type: ignore[no-untyped-call]
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _PolicyRows

    @admin.display(description="for", ordering="tenant")
    def tenant_name(self, policy: Any) -> str:
        return str(policy.tenant_name)

    @admin.display
    def required_approvals(self, policy: Policy) -> str:
        return ", ".join(map(str, policy.present_rules()))

    @admin.display
    def seal(self, policy: Policy) -> str:
        return "altered" if policy.problem else "intact"

    @method_decorator(require_safe)
    def row_page(self, request: HttpRequest, object_id: str, **context: Any) -> HttpResponse:
        """Show the settings of a policy, governed commands, waiting requests and versions."""
        policy = self.visible(request, object_id)
        page = policy_page.read(policy, actor=actor_of_request(request))
        return self._page(request, "policy", title=str(policy).capitalize(), page=page)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def draft_view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """Edit, preview and propose a draft.

        A draft is never taken from a URL: no link makes a user evaluate its condition.
        """
        policy = self._policy(request, object_id)
        given = request.POST if request.method == "POST" else None
        initial = initial_of(policy) if policy else None
        actor = actor_of_request(request)
        form = PolicyForm(given, initial=initial, actor=actor, policy=policy)
        title = f"Edit the {policy}" if policy else "New policy"
        step = request.POST.get("step")
        if given is None or step == "edit" or not form.is_valid():
            return self._page(request, "policy_editor", title=title, form=form, policy=policy)
        if step == "propose" and ExecutionTimeForm(request.POST).is_valid():
            return self._propose(request, form.command(), policy=policy)
        preview = policy_preview.preview(form.command(), policy=policy, actor=actor)
        return self._page(
            request, "policy_preview", title=title, preview=preview, policy=policy, form=form
        )

    def disable_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the effect of a policy on recent commands, and propose to disable it."""
        policy = self.visible(request, object_id)
        if request.method == "POST" and ExecutionTimeForm(request.POST).is_valid():
            return self._propose(request, DisablePolicy(policy_id=policy.pk), policy=policy)
        current, actor = current_settings(policy), actor_of_request(request)
        preview = policy_preview.preview(current, policy=None, actor=actor)
        return self._page(
            request, "policy_disable", title=f"Disable the {policy}", preview=preview, policy=policy
        )

    def explain_view(self, request: HttpRequest) -> HttpResponse:
        """Show the verdict of each policy on one logged command."""
        self.check_may_view(request)
        form, record = ExplainForm(request.GET or None), None
        if form.is_bound and form.is_valid():
            records = policy_preview.visible_records(actor_of_request(request))
            record = records.filter(**form.cleaned_data).first()
            if record is None:
                form.add_error("command_id", "It does not exist, or you do not have access to it.")
        return self._page(
            request,
            "explain",
            title="Explain a command",
            form=form,
            record=record,
            effect=_effect_of(record) if record else "",
            explanations=[
                (each, EFFECT_LABELS[Effect(each.policy.effect)]) for each in explain_all(record)
            ]
            if record
            else [],
        )

    def _policy(self, request: HttpRequest, object_id: str | None) -> Policy | None:
        if object_id is not None:
            policy: Policy = self.visible(request, object_id)
            return policy
        self.check_may_view(request)
        return None

    def _propose(
        self,
        request: HttpRequest,
        command: CreatePolicy | EditPolicy | DisablePolicy,
        *,
        policy: Policy | None,
    ) -> HttpResponse:
        """Send a proposal, which is refused if the policy has changed since the preview."""
        seen = request.POST.get("seen", "")
        feedback = send(
            command,
            request=request,
            expected_number=int(seen) if policy and seen.isdecimal() else None,
        )
        self.message_user(request, feedback.message, feedback.level)
        if policy is None:
            return redirect("admin:approvals_policy_changelist")
        return redirect("admin:approvals_policy_change", policy.pk)

    def _page(self, request: HttpRequest, template: str, **content: Any) -> HttpResponse:
        policy: Policy | None = content.get("policy")
        context = {
            "draft": [pair for pair in request.POST.items() if pair[0] not in _NOT_DRAFTED],
            "seen": store.current_number(Subject("policy", str(policy.pk))) if policy else "",
            "longest_reason": LONGEST_REASON,
            "reason": request.POST.get("reason", ""),
            "time": ExecutionTimeForm(request.POST or None),
        }
        return self.page(request, f"approvals/{template}.html", **(context | content))


def _effect_of(record: CommandRecord) -> str:
    """Return the label of the decision of the policies on a command."""
    effect = (record.decision or {}).get("effect", "")
    return EFFECT_LABELS[Effect(effect)] if effect in Effect.values else "no policy applied"
