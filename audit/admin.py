from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from audit.bus.dispatch import dispatch
from audit.entry.requests import actor_of_request, context_of
from audit.log import standings
from audit.log.approvals import Decided
from audit.log.search.criteria import Criteria
from audit.log.search.scans import kinds_in
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Postponed
from audit.models.records import CommandRecord, EventRecord, Status
from audit.pages.access import record_or_refuse
from audit.pages.admin import HistoryAdmin, ReadOnlyAdmin, ReadOnlyInline
from audit.pages.labels import STATUS_CHOICES, labeled, status_words
from audit.pages.linked_rows import Leads, record_links
from audit.pages.local_times import local_time
from audit.subjects.tenants import limits_of
from audit.webhooks.commands import ResendDelivery
from audit.webhooks.deliveries import WebhookAttempt, WebhookDelivery
from audit.webhooks.models import WebhookEndpoint, WebhookOutage


class NewestOnly(Paginator):
    """A paginator with a limited count: counting the whole log would take too long."""

    furthest = 5_000

    @cached_property
    def count(self) -> int:
        """The number of rows that can be paged to."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows[: self.furthest].count()


class StatusFilter(admin.ChoicesFieldListFilter):
    """The filter by the statuses in the log of the user, with the labels of the pages."""

    def __init__(self, field: Any, request: HttpRequest, *others: Any, **more: Any) -> None:
        super().__init__(field, request, *others, **more)
        self._known = _known("status", request, otherwise=set(Status))

    def choices(self, changelist: Any) -> Iterator[Any]:
        statuses = {str(status.label): status for status in Status}
        for choice in super().choices(changelist):
            status = statuses.get(str(choice["display"]))
            if status is None:
                yield choice
            elif status in self._known or choice["selected"]:
                yield {**choice, "display": STATUS_CHOICES[status]}


class ChannelFilter(admin.AllValuesFieldListFilter):
    """The filter by the channels in the log of the user, found without reading all of it."""

    def __init__(self, field: Any, request: HttpRequest, *others: Any, **more: Any) -> None:
        super().__init__(field, request, *others, **more)
        known = _known("channel", request, otherwise=set())
        self.lookup_choices: Any = sorted({*known, *(self.lookup_val or ())})


def _known(name: str, request: HttpRequest, *, otherwise: set[str]) -> set[str]:
    kinds = kinds_in(Criteria.seen_by(actor_of_request(request)))
    return otherwise if kinds is None else kinds[name]


class RecordAdmin(ReadOnlyAdmin):
    """A read-only list of records."""

    tenant_field = "tenant"
    ordering: ClassVar[tuple[str, ...]] = ("-position",)
    paginator = NewestOnly
    sortable_by = ()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Record the view of the list, if the settings require it, and say what is not shown."""
        limits = {"limits": limits_of(actor_of_request(request))}
        context = limits | (extra_context or {})
        return record_or_refuse(request) or super().changelist_view(request, context)

    def row_page(self, request: HttpRequest, object_id: str, **context: Any) -> HttpResponse:
        """Record the view of the row, if the settings require it."""
        return record_or_refuse(request) or super().row_page(request, object_id, **context)

    @admin.display(description="message")
    def words(self, record: CommandRecord | EventRecord) -> str:
        return labeled(record.message_type, held_command=_decided(record).held_command)

    @admin.display(description="subject")
    def about(self, record: Any) -> str:
        return str(record.leads.subject_link)


@admin.register(CommandRecord)
class CommandRecordAdmin(RecordAdmin):
    list_display = ("words", "received", "state", "who", "channel", "about", "reason", "leads_to")
    list_filter = (("status", StatusFilter), ("channel", ChannelFilter))
    # The order of the indexes by time, for each tenant and for all.
    ordering = ("-received_at", "-position")
    search_fields = ("=subject_id", "actor_label")

    @admin.display(description="received at")
    def received(self, record: CommandRecord) -> str:
        return local_time(record.received_at)

    @admin.display(description="status", ordering="status")
    def state(self, record: CommandRecord) -> str:
        is_waiting = getattr(record, "is_waiting", None)
        if is_waiting is None:
            is_waiting = bool(standings.waiting([record]))
        approvers = ", ".join(_decided(record).approvers)
        return format_html(
            '<span class="status status-{}">{}</span>{}',
            record.status,
            status_words(record.status, is_waiting=is_waiting),
            f" approved by {approvers}" if approvers else "",
        )

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Show the status as in the list."""
        fields = super().get_fields(request, obj)
        return ["state" if name == "status" else name for name in fields]

    @admin.display(description="actor")
    def who(self, record: CommandRecord) -> str:
        page = reverse("countersign:actor", args=(record.actor_kind, record.actor_id))
        return format_html('<a href="{}"><bdi>{}</bdi></a>', page, record.actor_label)

    @admin.display(description="audit log")
    def leads_to(self, record: CommandRecord) -> str:
        return record_links(record)


@admin.register(EventRecord)
class EventRecordAdmin(RecordAdmin):
    list_display = ("words", "occurred", "about", "number", "leads_to")
    search_fields = ("=subject_id",)

    @admin.display(description="occurred at")
    def occurred(self, record: EventRecord) -> str:
        return local_time(record.occurred_at)

    @admin.display(description="audit log")
    def leads_to(self, record: Any) -> str:
        return record_links(record) if record.leads.reads_log else "—"


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(HistoryAdmin):
    """Webhook endpoints, without their secrets."""

    tenant_field = "tenant"
    subject_type = "webhook-endpoint"
    list_display = ("destination", "tenant", "state", "failing_since", "created_at")
    list_filter = ("is_enabled",)
    list_select_related = ("outage",)
    search_fields = ("destination",)
    ordering = ("-created_at", "-pk")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Put the state first, and the outage after it."""
        return ["state", "failing_since", *super().get_fields(request, obj)]

    @admin.display(description="state")
    def state(self, endpoint: WebhookEndpoint) -> str:
        return str(endpoint.state.label)

    @admin.display(description="failing since")
    def failing_since(self, endpoint: WebhookEndpoint) -> str | None:
        outage: WebhookOutage | None = getattr(endpoint, "outage", None)
        return local_time(outage.since) if outage else None


class AttemptInline(ReadOnlyInline):
    model = WebhookAttempt
    fields = ("at", "duration_ms", "status", "error", "response")
    ordering = ("pk",)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Deliveries to webhook endpoints, with their attempts; they can be sent again."""

    tenant_field = "endpoint__tenant"
    list_display = ("event", "endpoint", "state", "last_attempt", "next_attempt_at", "created_at")
    list_filter = ("state",)
    list_select_related = ("endpoint",)
    ordering = ("-pk",)
    paginator = NewestOnly
    sortable_by = ()
    inlines = (AttemptInline,)
    actions = ("send_again",)
    _most_at_once = 100

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the type of the event, and the response or the error of the last attempt."""
        events = EventRecord.objects.filter(id=OuterRef("event_id"))
        attempts = WebhookAttempt.objects.filter(delivery=OuterRef("pk")).order_by("-pk")
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(
            event_type=Subquery(events.values("message_type")[:1]),
            last_status=Subquery(attempts.values("status")[:1]),
            last_error=Subquery(attempts.values("error")[:1]),
        )
        return annotated

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return actor_of_request(request).may("audit.view_webhookendpoint")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Return True if the user may send deliveries again."""
        return actor_of_request(request).may(ResendDelivery.required_permission)

    @admin.action(description="Send again", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Send a command for each selected delivery, up to a hundred."""
        for each in queryset.order_by("pk")[: self._most_at_once]:
            command = ResendDelivery(endpoint_id=each.endpoint_id, event_id=each.event_id)
            try:
                outcome = dispatch(command, context=context_of(request, channel="admin"))
            except CommandError as error:
                self.message_user(request, f"{each}: {error.message}", messages.ERROR)
            else:
                is_held = isinstance(outcome, Postponed)
                words = "held for approval" if is_held else "due now"
                self.message_user(request, f"{each}: {words}")

    @admin.display(description="event")
    def event(self, delivery: Any) -> str:
        return str(delivery.event_type)

    @admin.display(description="last attempt")
    def last_attempt(self, delivery: Any) -> str | None:
        return str(delivery.last_status) if delivery.last_status else delivery.last_error


def _decided(record: Any) -> Decided:
    """Return what a record decides. A row of its own page has not been given this."""
    leads: Leads | None = getattr(record, "leads", None)
    return leads.decided if leads else Decided()
