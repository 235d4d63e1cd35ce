"""Admin base classes: read-only lists and forms, and histories, by tenant."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import BinaryField, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.html import format_html
from django.utils.text import capfirst
from simple_history.admin import SimpleHistoryAdmin

from audit.bus.postponements import pending_on
from audit.entry.requests import actor_of_request
from audit.log.visibility import VIEW_LOG
from audit.messages.classes import Subject
from audit.pages import versions
from audit.pages.access import record_or_refuse
from audit.pages.linked_rows import LinkedRows, commands_url

_SAFE = ("GET", "HEAD")


def shown_time(moment: datetime) -> str:
    """Write a time for lists: to the second, in UTC."""
    text = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), text)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows, to those who may see their tenant, and changes nothing.

    ``tenant_field`` names the field that holds the tenant; None is for rows that have none.
    Changes are actions that dispatch commands, one message an object.
    """

    tenant_field: ClassVar[str | None] = None
    change_form_template = "audit/change_form.html"
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out what belongs to tenants that are not one's to see."""
        rows = super().get_queryset(request)
        if self.tenant_field is None:
            return rows
        return actor_of_request(request).confine(rows, self.tenant_field)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Head the list with what it lists, for there is nothing to select it for."""
        context = {"title": capfirst(self.opts.verbose_name_plural)} | (extra_context or {})
        return super().changelist_view(request, context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Have each row of a list know what it leads to."""
        return LinkedRows

    def visible(self, request: HttpRequest, object_id: str) -> Any:
        """Fetch a row for a page of our own, or for one that does not confine itself.

        :raises Http404: if there is no such row, or it is not one's to see.
        :raises PermissionDenied: if one may see no rows of this kind.
        """
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Name every field but those with bytes: digests, payloads and fingerprints."""
        hidden = self.exclude or ()
        return [
            field.name
            for field in self.opts.fields
            if not isinstance(field, BinaryField) and field.name not in hidden
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Also show fields that no form could have."""
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class HistoryAdmin(ReadOnlyAdmin, SimpleHistoryAdmin):
    """Shows the history of a row as well, to whoever may see the row.

    The stock pages let people with view permission revert a row by POST; these only answer GET.
    ``subject_type`` is what the auditors' page of the row goes by.
    """

    subject_type: ClassVar[str]
    history_list_per_page = 50
    object_history_template = "audit/history.html"
    object_history_form_template = "audit/version.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Add what waits for approval, and the links to the auditors' pages."""
        subject = Subject(self.subject_type, object_id)
        context = {
            "subject_type": self.subject_type,
            "commands_url": commands_url(subject),
            "waiting": pending_on(subject),
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def get_list_display(self, request: HttpRequest) -> Any:
        """Let auditors go on from each row to the log."""
        columns = super().get_list_display(request)
        return [*columns, "log"] if actor_of_request(request).may(VIEW_LOG) else columns

    @admin.display(description="audit log")
    def log(self, row: Any) -> str:
        return str(row.leads.log_links)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List what changed, by which command and why."""
        if request.method not in _SAFE:
            return HttpResponseNotAllowed(_SAFE)
        self.visible(request, object_id)
        if refusal := record_or_refuse(request):
            return refusal
        context = {"subject_type": self.subject_type} | (extra_context or {})
        page: HttpResponse = super().history_view(  # type: ignore[no-untyped-call]
            request, object_id, context
        )
        return page

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row as it was."""
        if request.method not in _SAFE:
            return HttpResponseNotAllowed(_SAFE)
        row = self.visible(request, object_id)
        if refusal := record_or_refuse(request):
            return refusal
        version = versions.find(row, version_id)
        versions.describe([version], actor=actor_of_request(request))
        context = {"version": version, "subject_type": self.subject_type} | (extra_context or {})
        page: HttpResponse = super().history_form_view(  # type: ignore[no-untyped-call]
            request, object_id, version_id, context
        )
        return page

    def get_history_queryset(
        self, request: HttpRequest, history_manager: Any, pk_name: str, object_id: Any
    ) -> QuerySet[Any]:
        """Leave out the joins of the stock page: only what has changed is named."""
        rows: QuerySet[Any] = history_manager.filter(**{pk_name: object_id})
        return rows.order_by("-history_date", "-history_id")

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Any, *_: Any, **__: Any
    ) -> None:
        """Compare each version with the one before it, the last one on the page as well."""
        versions.describe(historical_records.object_list, actor=actor_of_request(request))

    def has_view_history_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Ask for the permission on the row: its history is no more than the row was."""
        return bool(self.has_view_permission(request, obj))  # type: ignore[no-untyped-call]

    def has_change_history_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
