from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from apikeys.models import ApiKey, ApiKeySecret, Customer, Membership, PickUp
from audit.pages import HistoryAdmin, ReadOnlyAdmin, ReadOnlyInline, RelatedFilter


@admin.register(Customer)
class CustomerAdmin(HistoryAdmin):
    tenant_field = "pk"
    subject_type = "customer"
    change_form_template = "apikeys/customer.html"
    list_display = ("name", "created_at")
    search_fields = ("name",)
    ordering = ("name", "pk")


class SecretInline(ReadOnlyInline):
    model = ApiKeySecret
    fields = ("created_at", "not_after")
    ordering = ("-created_at", "-pk")


class PickUpInline(ReadOnlyInline):
    model = PickUp
    fields = ("actor_label", "until", "overlap")
    verbose_name_plural = "waiting to be picked up"


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    tenant_field = "customer_id"
    list_display = ("user", "customer")
    list_filter = (("customer", RelatedFilter), ("user", RelatedFilter))
    list_select_related = ("user", "customer")
    search_fields = ("user__username", "customer__name")
    ordering = ("customer__name", "user__username", "pk")


@admin.register(ApiKey)
class ApiKeyAdmin(HistoryAdmin):
    tenant_field = "customer_id"
    subject_type = "api-key"
    list_display = ("name", "prefix", "customer", "owner", "environment", "state", "created_at")
    list_filter = ("is_enabled", "environment", ("customer", RelatedFilter))
    list_select_related = ("customer", "owner")
    search_fields = ("name", "prefix")
    ordering = ("-created_at", "-pk")
    inlines = (SecretInline, PickUpInline)

    def get_inlines(self, request: HttpRequest, obj: ApiKey | None) -> Any:
        """Leave out the pick-up table if no secret waits."""
        waits = PickUp.objects.filter(api_key=obj).exists()
        return self.inlines if waits else (SecretInline,)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Put the derived state first."""
        return ["state", *super().get_fields(request, obj)]

    @admin.display(description="state")
    def state(self, api_key: ApiKey) -> str:
        return api_key.state_at(timezone.now()).label
