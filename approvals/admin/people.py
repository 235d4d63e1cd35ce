"""The admin pages of people and groups: each change is a command."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Count, Manager, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from approvals.pages import people as people_forms
from approvals.pages.feedback import Feedback, not_sent
from approvals.pages.people import Verb
from approvals.people.commands import MANAGE_PEOPLE
from audit.entry.requests import LONGEST_REASON, actor_of_request
from audit.messages.classes import Command
from audit.pages.admin import ReadOnlyAdmin
from audit.subjects.types import label_of

# Django's own pages are found later than ours, unless they are there already.
import_module("django.contrib.auth.admin")
admin.site.unregister(User)
admin.site.unregister(Group)


# The verbs that also need a choice or a text.
_CHOOSING = ("join", "leave", "grant", "revoke", "rename")


_NOT_REPEATED = ("csrfmiddlewaretoken", "confirm_similar_name")


class ReasonActionForm(ActionForm):
    """The action and its reason."""

    reason = forms.CharField(
        label="Reason:",
        required=False,
        widget=forms.TextInput(attrs={"maxlength": LONGEST_REASON, "size": 40}),
    )


class ByCommandAdmin(ReadOnlyAdmin):
    """Rows with forms that send commands to change them."""

    verbs: ClassVar[Mapping[str, Verb]]
    subject_type: ClassVar[str]
    create: ClassVar[Verb]
    # The fields of the form that creates a row, and their labels.
    create_fields: ClassVar[tuple[tuple[str, str], ...]]
    change_form_template = "approvals/people_form.html"
    change_list_template = "approvals/people_list.html"
    action_form = ReasonActionForm

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Return True if the user may send commands; the bus decides on them."""
        return actor_of_request(request).may(MANAGE_PEOPLE)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        own = [
            path("create/", view(self.create_view), name=f"{name}_create"),
            path("<path:object_id>/ask/", view(self.ask_view), name=f"{name}_ask"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add the form that creates a row."""
        context = {
            "may_manage": self.has_manage_permission(request),
            "longest_reason": LONGEST_REASON,
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def row_page(self, request: HttpRequest, object_id: str, **context: Any) -> HttpResponse:
        """Add the forms that send commands."""
        added = {
            "may_manage": self.has_manage_permission(request),
            "plain_verbs": self._verbs(*(name for name in self.verbs if name not in _CHOOSING)),
            "longest_reason": LONGEST_REASON,
        }
        return super().row_page(request, object_id, **(added | context))

    def ask_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the command of a form on the page of a row."""
        row = self.visible(request, object_id)
        if request.method != "POST":
            return not_sent(request, self._url("change", row.pk))
        verb = self.verbs.get(request.POST.get("verb", ""))
        if verb is not None:
            feedback = self._ask(request, row, verb)
            if feedback.must_confirm:
                return self._confirm(request, feedback)
        is_there = self.model._default_manager.filter(pk=row.pk).exists()
        return redirect(self._url("change", row.pk) if is_there else self._url("changelist"))

    def create_view(self, request: HttpRequest) -> HttpResponse:
        """Create a row; show its password link, once."""
        if request.method != "POST":
            return not_sent(request, self._url("changelist"))
        label = str(self.opts.verbose_name)
        feedback = self._send(partial(self.create.build, request.POST), label, request)
        if feedback.must_confirm:
            return self._confirm(request, feedback)
        if feedback.secret is None:
            return redirect(self._url("changelist"))
        context = {"title": "Shown once", "secret": feedback.secret, "is_password_link": True}
        back = self._url("changelist")
        return self.page(request, "approvals/shown_once.html", back=back, **context)

    def choices(self) -> list[dict[str, Any]]:
        """Return the choices on the page of a row, each with its buttons."""
        options = [(name, name) for name in _names(Permission.objects)]
        verbs = self._verbs("grant", "revoke")
        return [{"name": "permission", "options": options, "verbs": verbs}]

    def _confirm(self, request: HttpRequest, feedback: Feedback) -> HttpResponse:
        """Show the form again, with a box to confirm that the similar name is meant."""
        given = [(name, request.POST[name]) for name in request.POST if name not in _NOT_REPEATED]
        context = {"title": "Similar name", "problem": feedback.message, "given": given}
        back = self._url("changelist")
        return self.page(request, "approvals/similar_name.html", back=back, **context)

    def _ask(self, request: HttpRequest, row: Model, verb: Verb) -> Feedback:
        build = partial(verb.build, request.POST, **{f"{self.subject_type}_id": row.pk})
        return self._send(build, label_of(row), request)

    def _send(self, build: Callable[[], Command], label: str, request: HttpRequest) -> Feedback:
        feedback = people_forms.send(build, label=label, request=request)
        if not feedback.must_confirm:
            self.message_user(request, feedback.message, feedback.level)
        return feedback

    def _verbs(self, *names: str) -> list[tuple[str, str]]:
        return [(name, self.verbs[name].label) for name in names]

    def _url(self, page: str, *arguments: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=arguments)


def _for_each(verb: str, description: str) -> Callable[..., None]:
    """Return an action that sends a command for each selected row."""

    @admin.action(description=description, permissions=["manage"])
    def send(self: ByCommandAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset.order_by(*self.get_ordering(request)):
            self._ask(request, row, self.verbs[verb])

    return send


@admin.register(User)
class UserAdmin(ByCommandAdmin):
    verbs = people_forms.USER_VERBS
    create = people_forms.CREATE_USER
    create_fields = (("username", "Username"), ("email", "E-mail address"))
    subject_type = "user"
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("username", "email")
    ordering = ("username", "pk")
    actions = ("activate_selected", "deactivate_selected", "reset_selected")
    activate_selected = _for_each("activate", "Activate selected")
    deactivate_selected = _for_each("deactivate", "Deactivate selected")
    reset_selected = _for_each("reset", "Require a new password for selected")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Return the fields of a person, without the password."""
        flags = ("is_active", "is_staff", "is_superuser")
        return ["username", "email", *flags, "groups", "permissions", "last_login", "date_joined"]

    def choices(self) -> list[dict[str, Any]]:
        groups = list(Group.objects.order_by("name", "pk").values_list("pk", "name"))
        own = {"name": "group", "options": groups, "verbs": self._verbs("join", "leave")}
        return [own, *super().choices()]

    @admin.display(description="own permissions", empty_value="—")
    def permissions(self, user: User) -> str:
        return ", ".join(_names(user.user_permissions))


@admin.register(Group)
class GroupAdmin(ByCommandAdmin):
    verbs = people_forms.GROUP_VERBS
    create = people_forms.CREATE_GROUP
    create_fields = (("name", "Name"),)
    subject_type = "group"
    list_display = ("name", "people")
    search_fields = ("name",)
    ordering = ("name", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the groups with the number of their people, by one query."""
        groups: QuerySet[Any] = super().get_queryset(request).annotate(size=Count("user"))
        return groups

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return ["name", "members", "granted"]

    def choices(self) -> list[dict[str, Any]]:
        users = list(User.objects.order_by("username", "pk").values_list("pk", "username"))
        own = {"name": "user", "options": users, "verbs": self._verbs("join", "leave")}
        return [own, *super().choices()]

    @admin.display(description="people", ordering="size")
    def people(self, group: Any) -> int:
        return int(group.size)

    @admin.display(description="people", empty_value="—")
    def members(self, group: Group) -> str:
        people = group.user_set.order_by("username").values_list("username", "is_active")
        return ", ".join(name if active else f"{name} (not active)" for name, active in people)

    @admin.display(description="permissions", empty_value="—")
    def granted(self, group: Group) -> str:
        return ", ".join(_names(group.permissions))


def _names(permissions: Manager[Permission]) -> list[str]:
    named = permissions.values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{code}" for app, code in named)
