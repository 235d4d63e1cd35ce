"""Admin base classes: read-only lists and forms, and histories, confined to tenants."""

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.text import capfirst
from django.views.decorators.http import require_safe
from simple_history.admin import SimpleHistoryAdmin

from audit.bus.postponements import pending_on
from audit.entry.requests import actor_of_request
from audit.log.visibility import VIEW_LOG
from audit.messages.characters import visible
from audit.messages.classes import Subject
from audit.pages import versions
from audit.pages.access import masking_redirect, record_or_refuse
from audit.pages.labels import field_label, shown_in, words
from audit.pages.linked_rows import LinkedRows, commands_url
from audit.pages.local_times import local_time, local_times

_TEXTS = (models.CharField, models.TextField)
_IN_WORDS = (models.DateTimeField, models.DurationField, models.ForeignKey, *_TEXTS)


def _shown_fields(model: type[Model], names: Any) -> list[Any]:
    """Return the fields of an admin page, with columns for those that stock pages show otherwise.

    These are times, durations, choices, texts and related rows.
    """
    replaced = {
        each.name: each
        for each in model._meta.fields
        if isinstance(each, _IN_WORDS) or each.choices
    }
    return [_column(replaced[name]) if name in replaced else name for name in names]


@cache
def _column(field: Any) -> Callable[[Any], str | None]:
    """Return the column of a field, the same one each time: the admin compares them."""

    @admin.display(description=field_label(field), ordering=field.name)
    def column(row: Any) -> str | None:
        value = getattr(row, field.name)
        if isinstance(field, models.DateTimeField):
            return local_time(value) if value else None
        return None if value in (None, "") else local_times(shown_in(field, value))

    # The admin names CSS classes after it.
    column.__name__ = field.name
    return column


class ReadOnlyAdmin(admin.ModelAdmin):
    """Read-only pages of the rows of the tenants that the user may see.

    ``tenant_field`` is the field with the tenant; None for rows without one. Changes are actions
    that dispatch commands, one for each row.
    """

    tenant_field: ClassVar[str | None] = None
    change_form_template = "audit/change_form.html"
    change_list_template = "audit/change_list.html"
    empty_value_display = "—"
    list_per_page = 50
    show_full_result_count = False

    @property
    def urls(self) -> list[URLPattern]:
        """The URLs, which ATOMIC_REQUESTS leaves alone: the bus opens the transaction."""
        urls: list[URLPattern] = super().urls
        for url in urls:
            url.callback = transaction.non_atomic_requests(url.callback)
        return urls

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out the rows of other tenants."""
        rows = super().get_queryset(request)
        if self.tenant_field is None:
            return rows
        return actor_of_request(request).confine(rows, self.tenant_field)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Replace the stock title, which asks to select a row to change."""
        context = {"title": self.list_title()} | (extra_context or {})
        return masking_redirect(request) or super().changelist_view(request, context)

    def list_title(self) -> str:
        """Return the title of the list, for its page and for links to it."""
        return capfirst(str(self.opts.verbose_name_plural))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # PostgreSQL text cannot contain NUL, so no row has such an id.
        if "\x00" in object_id:
            raise Http404
        return self.row_page(request, object_id, **(extra_context or {}))

    def row_page(self, request: HttpRequest, object_id: str, **context: Any) -> HttpResponse:
        """Return the page of a row, with ``context`` for its template."""
        context = {"list_title": self.list_title()} | context
        return super().change_view(request, object_id, extra_context=context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LinkedRows

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Refuse invalid values of filters; the stock page redirects to the unfiltered list."""
        try:
            return super().get_changelist_instance(request)
        except (IncorrectLookupParameters, OverflowError, ValueError) as error:
            raise BadRequest from error

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any
    ) -> HttpResponse | None:
        """Refuse a malformed selection; the stock list fails on it.

        :raises BadRequest: if a selected id cannot be that of a row.
        """
        key: Any = self.opts.pk
        try:
            for selected in request.POST.getlist(ACTION_CHECKBOX_NAME):
                key.run_validators(key.to_python(selected))
        except ValidationError as error:
            raise BadRequest from error
        return super().response_action(request, queryset, *args)

    def _get_obj_does_not_exist_redirect(self, *_: Any) -> HttpResponse:
        # The stock page redirects to the overview.
        raise Http404

    def visible(self, request: HttpRequest, object_id: str) -> Any:
        """Return a row, for pages without a check of their own.

        :raises Http404: if it does not exist, or belongs to another tenant.
        :raises PermissionDenied: if the user may not see such rows.
        """
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        self.check_may_view(request, row)
        return row

    def check_may_view(self, request: HttpRequest, row: Model | None = None) -> None:
        """Check that the user may see a row, or such rows at all.

        :raises PermissionDenied: if not.
        """
        if not self.has_view_permission(request, row):
            raise PermissionDenied

    def page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        """Return a page of our own within the admin."""
        frame = self.admin_site.each_context(request) | {"opts": self.opts}
        return TemplateResponse(request, template, frame | context)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Return every field except those with bytes: digests, payloads and fingerprints."""
        hidden = self.exclude or ()
        return [
            field.name
            for field in self.opts.fields
            if not isinstance(field, models.BinaryField) and field.name not in hidden
        ]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return _shown_fields(self.model, super().get_list_display(request))

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = _shown_fields(self.model, self.get_fields(request, obj))
        return [(None, {"fields": fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Return the permissions, which every page reads of each admin class."""
        can_view = self.has_view_permission(request)
        return {"add": False, "change": False, "delete": False, "view": can_view}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    has_delete_permission = has_change_permission


class ReadOnlyInline(admin.TabularInline):
    """Read-only rows on the page of another row, for every user who may see that page."""

    extra = 0

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return _shown_fields(self.model, self.fields or ())

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return self.get_fields(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # The page has already checked the permission to see it.
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


class HistoryAdmin(ReadOnlyAdmin, SimpleHistoryAdmin):
    """Read-only pages with the history of each row, for every user who may see the row.

    The stock pages let users with view permission revert a row by POST; these respond only to GET.
    ``subject_type`` is in the URLs of the auditors' pages of a row.
    """

    subject_type: ClassVar[str]
    history_list_per_page = 50
    object_history_template = "audit/history.html"
    object_history_form_template = "audit/version.html"
    object_history_list_template = "audit/history_list.html"

    def row_page(self, request: HttpRequest, object_id: str, **context: Any) -> HttpResponse:
        """Add the commands that wait for approval, and links to the auditors' pages."""
        subject = Subject(self.subject_type, object_id)
        added = {
            "subject_type": self.subject_type,
            "commands_url": commands_url(subject),
            "waiting": [(words(each.message_type), each) for each in pending_on(subject)],
        }
        return super().row_page(request, object_id, **(added | context))

    def get_list_display(self, request: HttpRequest) -> Any:
        """Add the links to the log, for users who may read it."""
        columns = super().get_list_display(request)
        return [*columns, "log"] if actor_of_request(request).may(VIEW_LOG) else columns

    @admin.display(description="audit log")
    def log(self, row: Any) -> str:
        return str(row.leads.log_links)

    @method_decorator(require_safe)
    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List the changes, each with its command and reason."""
        self.visible(request, object_id)
        added = {"subject_type": self.subject_type, "list_title": self.list_title()}
        context = added | (extra_context or {})
        return record_or_refuse(request) or super().history_view(request, object_id, context)

    @method_decorator(require_safe)
    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a former version of the row."""
        row = self.visible(request, object_id)
        if refusal := record_or_refuse(request):
            return refusal
        version = versions.find(row, version_id)
        versions.describe([version], actor=actor_of_request(request))
        added = {"subject_type": self.subject_type, "list_title": self.list_title()}
        context = {"version": version} | added | (extra_context or {})
        page: HttpResponse = super().history_form_view(request, object_id, version_id, context)
        return page

    def history_view_title(self, request: HttpRequest, obj: Model) -> str:
        """Return the title of the list of changes."""
        return f"View history: {visible(str(obj))}"

    def get_history_queryset(
        self, request: HttpRequest, history_manager: Any, pk_name: str, object_id: Any
    ) -> QuerySet[Any]:
        """Leave out the joins of the stock page, which shows whole rows: this shows changes."""
        rows: QuerySet[Any] = history_manager.filter(**{pk_name: object_id})
        return rows.order_by("-history_date", "-history_id")

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Any, *_: Any, **__: Any
    ) -> None:
        """Compare each version with the one before it, also the last one on the page."""
        versions.describe(historical_records.object_list, actor=actor_of_request(request))

    def has_view_history_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return True if the user may see the row: its history says no more than the row did."""
        return bool(self.has_view_permission(request, obj))

    def has_change_history_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
