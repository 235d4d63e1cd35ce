from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from apikeys.models import ApiKey, ApiKeySecret, Customer, Membership, PickUp
from audit.pages import HistoryAdmin, ReadOnlyAdmin, RelatedFilter


@admin.register(Customer)
class CustomerAdmin(HistoryAdmin):
    tenant_field = "pk"
    subject_type = "customer"
    change_form_template = "apikeys/customer.html"
    list_display = ("name", "created_at")
    search_fields = ("name",)
    ordering = ("name", "pk")


class PartOfKey(admin.TabularInline):
    """A read-only part of a key's page, for every user who may see the key."""

    extra = 0

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields or ()

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # The key's page has already checked the permission to see the key.
        return True

    def _refuse(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    has_add_permission = has_change_permission = has_delete_permission = _refuse


class SecretInline(PartOfKey):
    model = ApiKeySecret
    fields = ("created_at", "not_after")
    ordering = ("-created_at", "-pk")


class PickUpInline(PartOfKey):
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
