"""The admin pages of people and groups: each change is a command, and is confirmed first."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.messages import constants as levels
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from approvals.pages.feedback import not_sent
from approvals.pages.people import page
from approvals.pages.people.approvers import NewApproverForm
from approvals.pages.people.confirmation import Asked
from approvals.pages.people.verbs import (
    CREATE_GROUP,
    CREATE_USER,
    GROUP_VERBS,
    USER_VERBS,
    Verb,
    applying,
)
from approvals.people.commands import MANAGE_PEOPLE
from audit.entry.requests import actor_of_request
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError
from audit.pages.admin import ReadOnlyAdmin

# Django's own pages are found later than ours, unless they are there already.
import_module("django.contrib.auth.admin")
User: Any = get_user_model()
# The fields by which people are listed: a name, and an e-mail address if that is another one.
_NAMES = tuple(dict.fromkeys(filter(None, (users.name_field(), users.email_field()))))


class ByCommandAdmin(ReadOnlyAdmin):
    """Rows with buttons that lead to a confirmation, and from there to a command."""

    verbs: ClassVar[Mapping[str, Verb]]
    subject_type: ClassVar[str]
    title: ClassVar[str]
    create: ClassVar[Verb]
    # The fields of the form that creates a row, and their labels.
    create_fields: ClassVar[tuple[tuple[str, str], ...]]
    change_list_template = "approvals/people_list.html"

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Return True if the user may send commands; the bus decides on them."""
        return actor_of_request(request).may(MANAGE_PEOPLE)

    def page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return super().page(request, template, **(self._links(request) | context))

    def _links(self, request: HttpRequest) -> dict[str, Any]:
        """Return the links to the pages of people, as far as the user may follow them."""
        row = f"admin:{User._meta.app_label}_{User._meta.model_name}_{{}}"
        may_view = actor_of_request(request).may(users.permission("view"))
        people = {
            "list": reverse(row.format("changelist")) if may_view else "",
            "new_approver": reverse(row.format("new_approver")),
            "row": row.format("change"),
        }
        return {"people": people, "is_people": self.subject_type == "user"}

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
        context = self._links(request) | {
            "title": self.title,
            "may_manage": self.has_manage_permission(request),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def row_page(self, request: HttpRequest, object_id: str, **context: Any) -> HttpResponse:
        """Show a row, and the buttons that apply to it."""
        row = self.visible(request, object_id)
        shown = {
            "title": str(row),
            "row": row,
            "may_manage": self.has_manage_permission(request),
            "verbs": applying(self.verbs, row),
        }
        template = f"approvals/{self.subject_type}.html"
        return self.page(request, template, **(shown | self.content(row, request)))

    def content(self, row: Any, request: HttpRequest) -> dict[str, Any]:
        """Return the context of the page of a row."""
        raise NotImplementedError

    def ask_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a button would do to a row; once that is confirmed, do it."""
        row, form = self.visible(request, object_id), _form_of(request)
        verb = self.verbs.get(form.get("verb", ""))
        if verb is None:
            return redirect(self._back(row))
        build = partial(verb.build, form, **{f"{self.subject_type}_id": row.pk})
        return self._confirm(request, [build], words=verb.label, row=row)

    def create_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the form of the list would create; once that is confirmed, create it."""
        if request.method != "POST":
            return not_sent(request, self._url("changelist"))
        build = partial(self.create.build, request.POST)
        return self._confirm(request, [build], words=self.create.label)

    def _confirm(
        self,
        request: HttpRequest,
        builds: Sequence[Callable[[], Command]],
        *,
        words: str,
        row: Model | None = None,
    ) -> HttpResponse:
        """Return a page that says what commands would do; send them if it was confirmed."""
        self.check_may_view(request)
        try:
            asked = Asked([build() for build in builds], request=request)
        except CommandError as error:
            self.message_user(request, error.message, levels.ERROR)
            return redirect(self._back(row))
        # Without the permission, the bus refuses the commands and records that.
        may_manage = self.has_manage_permission(request)
        if request.method == "POST" and (asked.is_ready or not may_manage):
            return self._send(request, asked, row=row)
        context = {"asked": asked, "words": words, "back": self._back(row), "row": row}
        return self.page(request, "approvals/confirm.html", title=words, **context)

    def _send(self, request: HttpRequest, asked: Asked, *, row: Model | None) -> HttpResponse:
        """Send confirmed commands; show a password link, once."""
        secret = None
        for feedback in asked.send():
            self.message_user(request, feedback.message, feedback.level)
            secret = feedback.secret
        back = self._back(row)
        if secret is None:
            return redirect(back)
        context = {"title": "Shown once", "secret": secret, "is_password_link": True}
        return self.page(request, "approvals/shown_once.html", back=back, **context)

    def _back(self, row: Model | None) -> str:
        """Return the URL of the page of a row, or of the list if the row is no longer there."""
        is_there = row and self.model._default_manager.filter(pk=row.pk).exists()
        return self._url("change", row.pk) if row and is_there else self._url("changelist")

    def _url(self, page: str, *arguments: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=arguments)


def _for_each(name: str, description: str) -> Callable[..., HttpResponse]:
    """Return an action that sends a command for each selected row to which it applies."""

    @admin.action(description=description, permissions=["manage"])
    def ask(self: ByCommandAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        verb = self.verbs[name]
        rows = [row for row in queryset.order_by(*self.get_ordering(request)) if verb.applies(row)]
        builds = [
            partial(verb.build, request.POST, **{f"{self.subject_type}_id": row.pk}) for row in rows
        ]
        return self._confirm(request, builds, words=verb.label)

    return ask


def _titled(title: str) -> type[admin.BooleanFieldListFilter]:
    """Return a filter by a flag, with the title of its column."""

    class Titled(admin.BooleanFieldListFilter):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.title = title

    return Titled


class UserAdmin(ByCommandAdmin):
    verbs = USER_VERBS
    create = CREATE_USER
    create_fields = (("username", "Username"), ("email", "E-mail address"))
    subject_type = "user"
    title = "People"
    list_display = (*_NAMES, "status", "admin_access", "superuser", "last_login")
    list_filter = (
        "is_active",
        *((("is_staff", _titled("admin access")),) if users.field_or_none("is_staff") else ()),
        ("is_superuser", _titled("superuser")),
        "groups",
    )
    search_fields = _NAMES
    ordering = (_NAMES[0], "pk")
    actions = ("activate_selected", "deactivate_selected", "reset_selected")
    activate_selected = _for_each("activate", "Activate selected…")
    deactivate_selected = _for_each("deactivate", "Deactivate selected…")
    reset_selected = _for_each("reset", "Require a new password for selected…")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.new_approver_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_new_approver"
        return [path("new-approver/", view, name=name), *super().get_urls()]

    def new_approver_view(self, request: HttpRequest) -> HttpResponse:
        """Create an account as an approver: a form, its confirmation, and one command."""
        self.check_may_view(request)
        initial = {"group": request.GET.get("group")}
        form = NewApproverForm(request.POST or None, initial=initial)
        if form.is_valid():
            return self._confirm(request, [form.command], words="Create the approver")
        context = {"title": "New approver", "form": form, "back": self._back(None)}
        return self.page(request, "approvals/new_approver.html", **context)

    def content(self, row: Any, request: HttpRequest) -> dict[str, Any]:
        return page.of_user(row, actor=actor_of_request(request))

    @admin.display(ordering="is_active")
    def status(self, user: User) -> str:
        return "active" if user.is_active else "deactivated"

    @admin.display(description="admin access", ordering=users.staff_field())
    def admin_access(self, user: User) -> str:
        return "yes" if getattr(user, users.staff_field()) else "no"

    @admin.display(ordering="is_superuser")
    def superuser(self, user: User) -> str:
        return "yes" if user.is_superuser else "no"


class GroupAdmin(ByCommandAdmin):
    verbs = GROUP_VERBS
    create = CREATE_GROUP
    create_fields = (("name", "Name"),)
    subject_type = "group"
    title = "Groups"
    list_display = ("name", "people")
    search_fields = ("name",)
    ordering = ("name", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the groups with the number of their people, by one query."""
        groups: QuerySet[Any] = super().get_queryset(request).annotate(size=Count("user"))
        return groups

    def content(self, row: Any, request: HttpRequest) -> dict[str, Any]:
        return page.of_group(row, actor=actor_of_request(request))

    @admin.display(description="people", ordering="size")
    def people(self, group: Any) -> int:
        return int(group.size)


def register() -> None:
    """Put the pages in the place of those that the project or Django has for users and groups."""
    for model, page_class in ((User, UserAdmin), (Group, GroupAdmin)):
        if admin.site.is_registered(model):
            admin.site.unregister(model)
        admin.site.register(model, page_class)


if countersign().people_pages:
    register()


def _form_of(request: HttpRequest) -> QueryDict:
    return request.POST if request.method == "POST" else request.GET
