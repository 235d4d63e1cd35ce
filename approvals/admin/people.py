"""Pages of people and groups, instead of Django's own: each change is a command."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Count, Manager, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from approvals.pages import people as people_forms
from approvals.pages.people import Verb
from approvals.people.commands import MANAGE_PEOPLE
from audit.entry.requests import LONGEST_REASON, actor_of_request
from audit.messages.classes import Command
from audit.pages.admin import ReadOnlyAdmin

# Django's own pages are found later than ours, unless they are there already.
import_module("django.contrib.auth.admin")
admin.site.unregister(User)
admin.site.unregister(Group)


# What needs something to be chosen or written as well.
_CHOOSING = ("join", "leave", "grant", "revoke", "rename")


class ReasonActionForm(ActionForm):
    """The action, and why."""

    reason = forms.CharField(
        label="Reason:",
        required=False,
        widget=forms.TextInput(attrs={"maxlength": LONGEST_REASON, "size": 40}),
    )


class ByCommandAdmin(ReadOnlyAdmin):
    """Shows rows, and has forms that ask for changes of them by commands."""

    verbs: ClassVar[Mapping[str, Verb]]
    subject_type: ClassVar[str]
    # The fields of the form with which one more is made, and their labels.
    create_fields: ClassVar[tuple[tuple[str, str], ...]]
    change_form_template = "approvals/people_form.html"
    change_list_template = "approvals/people_list.html"
    action_form = ReasonActionForm

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether one may ask for changes; what comes of them is decided by the bus."""
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
        """Add the form with which one more is made."""
        context = {
            "may_manage": self.has_manage_permission(request),
            "create_url": self._url("create"),
            "create_fields": self.create_fields,
            "kind": self.opts.verbose_name,
            "longest_reason": LONGEST_REASON,
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Add the forms that ask for changes."""
        context = {
            "subject_type": self.subject_type,
            "may_manage": self.has_manage_permission(request),
            "ask_url": self._url("ask", object_id),
            "plain_verbs": self._verbs(*(name for name in self.verbs if name not in _CHOOSING)),
            "choices": self.choices(),
            "longest_reason": LONGEST_REASON,
        }
        context |= extra_context or {}
        return super().change_view(request, object_id, form_url, context)

    def ask_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send what one of the forms on the page of a row asks for."""
        if request.method != "POST":
            return HttpResponseNotAllowed(("POST",))
        row = self.visible(request, object_id)
        verb = self.verbs.get(request.POST.get("verb", ""))
        if verb is not None:
            self._ask(request, row, verb)
        is_there = self.model._default_manager.filter(pk=row.pk).exists()
        return redirect(self._url("change", row.pk) if is_there else self._url("changelist"))

    def create_view(self, request: HttpRequest) -> HttpResponse:
        """Make one more, and show what is shown but once."""
        if request.method != "POST":
            return HttpResponseNotAllowed(("POST",))
        build = partial(self.create, request.POST)
        told = people_forms.send(build, label=str(self.opts.verbose_name), request=request)
        self.message_user(request, told.message, told.level)
        if told.secret is None:
            return redirect(self._url("changelist"))
        context = {
            "title": "Shown once",
            "secret": told.secret,
            "is_password_link": True,
            "back": self._url("changelist"),
        }
        context = self.admin_site.each_context(request) | context
        return TemplateResponse(request, "approvals/shown_once.html", context)

    @staticmethod
    def create(form: QueryDict) -> Command:
        """Build the command that makes one more."""
        raise NotImplementedError

    def choices(self) -> list[dict[str, Any]]:
        """List what can be chosen on the page of a row, each with its buttons."""
        options = [(name, name) for name in _names(Permission.objects)]
        verbs = self._verbs("grant", "revoke")
        return [{"name": "permission", "options": options, "verbs": verbs}]

    def _ask(self, request: HttpRequest, row: Model, verb: Verb) -> None:
        build = partial(verb.build, row.pk, request.POST)
        told = people_forms.send(build, label=str(row), request=request)
        self.message_user(request, told.message, told.level)

    def _verbs(self, *names: str) -> list[tuple[str, str]]:
        return [(name, self.verbs[name].words) for name in names]

    def _url(self, page: str, *arguments: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=arguments)


@admin.register(User)
class UserAdmin(ByCommandAdmin):
    verbs = people_forms.USER_VERBS
    create = staticmethod(people_forms.create_user)
    create_fields = (("username", "Username"), ("email", "E-mail address"))
    subject_type = "user"
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("username", "email")
    ordering = ("username", "pk")
    actions = ("activate_selected", "deactivate_selected", "reset_selected")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Name what may be seen of a person: the password is not part of it."""
        flags = ("is_active", "is_staff", "is_superuser")
        return ["username", "email", *flags, "groups", "permissions", "last_login", "date_joined"]

    def choices(self) -> list[dict[str, Any]]:
        """Add the groups."""
        groups = list(Group.objects.order_by("name", "pk").values_list("pk", "name"))
        own = {"name": "group", "options": groups, "verbs": self._verbs("join", "leave")}
        return [own, *super().choices()]

    @admin.display(description="own permissions", empty_value="—")
    def permissions(self, user: User) -> str:
        return ", ".join(_names(user.user_permissions))

    @admin.action(description="Activate selected", permissions=["manage"])
    def activate_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Ask for it of each, one by one."""
        self._ask_of_each(request, queryset, "activate")

    @admin.action(description="Deactivate selected", permissions=["manage"])
    def deactivate_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Ask for it of each, one by one."""
        self._ask_of_each(request, queryset, "deactivate")

    @admin.action(description="Require a new password for selected", permissions=["manage"])
    def reset_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Ask for it of each, one by one."""
        self._ask_of_each(request, queryset, "reset")

    def _ask_of_each(self, request: HttpRequest, queryset: QuerySet[User], verb: str) -> None:
        for user in queryset.order_by("username", "pk"):
            self._ask(request, user, self.verbs[verb])


@admin.register(Group)
class GroupAdmin(ByCommandAdmin):
    verbs = people_forms.GROUP_VERBS
    create = staticmethod(people_forms.create_group)
    create_fields = (("name", "Name"),)
    subject_type = "group"
    list_display = ("name", "people")
    search_fields = ("name",)
    ordering = ("name", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Count the people of each group in the same query."""
        groups: QuerySet[Any] = super().get_queryset(request).annotate(size=Count("user"))
        return groups

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Name what may be seen of a group."""
        return ["name", "members", "handed_out"]

    def choices(self) -> list[dict[str, Any]]:
        """Add the people."""
        users = list(User.objects.order_by("username", "pk").values_list("pk", "username"))
        own = {"name": "user", "options": users, "verbs": self._verbs("join", "leave")}
        return [own, *super().choices()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Add the field for another name."""
        context = {"may_rename": True} | (extra_context or {})
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="people", ordering="size")
    def people(self, group: Any) -> int:
        return int(group.size)

    @admin.display(description="people", empty_value="—")
    def members(self, group: Group) -> str:
        people = group.user_set.order_by("username").values_list("username", "is_active")
        return ", ".join(name if active else f"{name} (not active)" for name, active in people)

    @admin.display(description="permissions", empty_value="—")
    def handed_out(self, group: Group) -> str:
        return ", ".join(_names(group.permissions))


def _names(permissions: Manager[Permission]) -> list[str]:
    named = permissions.values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{code}" for app, code in named)
