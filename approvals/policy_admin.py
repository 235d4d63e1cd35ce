"""Policies in the admin: for reading, and for trying a draft on what has happened."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from approvals.models import Effect, Policy, Rule
from approvals.policy_commands import CreatePolicy
from approvals.policy_handlers import check_policy
from approvals.simulation import Draft, Simulation, explain, simulate
from audit.admin import HistoryAdmin
from audit.exceptions import Invalid
from audit.models import CommandRecord
from audit.requests import actor_of_request

_MOST_LOOKED_AT = 10_000


class DraftForm(forms.Form):
    """A policy to try."""

    governs = forms.CharField(max_length=200, help_text="apikeys.disable, or a prefix: apikeys.*")
    effect = forms.ChoiceField(choices=Effect.choices, initial=Effect.REQUIRE_APPROVAL)
    condition = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text='CEL; empty is met. Such as: actor.kind == "api_key" && subject.is_enabled',
    )
    group = forms.ModelChoiceField(Group.objects.order_by("name"), required=False)
    quorum = forms.IntegerField(min_value=1, initial=2, required=False)
    last = forms.IntegerField(
        label="Commands to look at", min_value=1, max_value=_MOST_LOOKED_AT, initial=1000
    )

    def clean(self) -> dict[str, Any]:
        """Check the draft as it is checked when it is proposed."""
        said: dict[str, Any] = super().clean() or {}
        try:
            check_policy(self.command(said))
        except Invalid as error:
            for problem in error.errors:
                self.add_error(
                    {"groups": "group", "quorums": "quorum"}.get(problem.field, problem.field),
                    problem.message,
                )
        return said

    def command(self, said: dict[str, Any]) -> CreatePolicy:
        """Build the command that would make a policy of the draft."""
        group, quorum = said.get("group"), said.get("quorum")
        return CreatePolicy(
            governs=said.get("governs", ""),
            effect=said.get("effect", Effect.REQUIRE_APPROVAL),
            condition=said.get("condition", ""),
            groups=(group.pk,) if group and quorum else (),
            quorums=(quorum,) if group and quorum else (),
        )


class ExplainForm(forms.Form):
    """A command to explain."""

    command_id = forms.UUIDField(label="Command id")


class RuleInline(admin.TabularInline):
    model = Rule
    fields = readonly_fields = ("group", "quorum", "is_dropped")
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
    list_display = ("governs", "effect", "condition", "asks_for", "is_enabled", "version")
    list_filter = ("is_enabled", "effect")
    ordering = ("governs", "pk")
    inlines = (RuleInline,)
    change_list_template = "approvals/policies.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        return super().get_queryset(request).prefetch_related("rules__group")

    def get_urls(self) -> list[URLPattern]:
        simulated = self.admin_site.admin_view(self.simulate_view)
        explained = self.admin_site.admin_view(self.explain_view)
        return [
            path("simulate/", simulated, name="approvals_policy_simulate"),
            path("explain/", explained, name="approvals_policy_explain"),
            *super().get_urls(),  # type: ignore[no-untyped-call]
        ]

    @admin.display(description="asks for", empty_value="—")
    def asks_for(self, policy: Policy) -> str:
        return ", ".join(map(str, policy.present_rules()))

    def simulate_view(self, request: HttpRequest) -> HttpResponse:
        """Try a draft on the commands on record; nothing is stored."""
        if not request.user.has_perm("approvals.view_policy"):
            raise PermissionDenied
        form = DraftForm(request.GET or None)
        result = _simulate(form.cleaned_data, request) if form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Try a policy",
            "form": form,
            "result": result,
        }
        return TemplateResponse(request, "approvals/simulate.html", context)

    def explain_view(self, request: HttpRequest) -> HttpResponse:
        """Tell what each policy had to say of one command on record."""
        if not request.user.has_perm("approvals.view_policy"):
            raise PermissionDenied
        form = ExplainForm(request.GET or None)
        record = _visible(request).filter(**form.cleaned_data).first() if form.is_valid() else None
        if form.is_bound and form.is_valid() and record is None:
            form.add_error("command_id", "There is no such command, or it is not yours to see.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Explain a command",
            "form": form,
            "record": record,
            "explanations": explain(record) if record else [],
        }
        return TemplateResponse(request, "approvals/explain.html", context)


def _visible(request: HttpRequest) -> QuerySet[CommandRecord]:
    records = CommandRecord.objects.filter(attempt=1).order_by("-position")
    tenants = actor_of_request(request).tenants
    return records if tenants is None else records.filter(tenant__in=tenants)


def _simulate(said: dict[str, Any], request: HttpRequest) -> Simulation:
    draft = Draft(
        governs=said["governs"],
        effect=said["effect"],
        condition=said["condition"],
        groups=(said["group"].pk,) if said["group"] else (),
        quorums=(said["quorum"],) if said["group"] else (),
    )
    return simulate(draft, _visible(request)[: said["last"]])
