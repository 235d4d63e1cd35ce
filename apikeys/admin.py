from django.contrib import admin

from apikeys.models import ApiKey, Customer
from audit.admin import HistoryAdmin


@admin.register(Customer)
class CustomerAdmin(HistoryAdmin):
    tenant_field = "pk"
    subject_type = "customer"
    list_display = ("name", "created_at")
    search_fields = ("name",)
    ordering = ("name", "pk")


@admin.register(ApiKey)
class ApiKeyAdmin(HistoryAdmin):
    tenant_field = "customer_id"
    subject_type = "api-key"
    list_display = ("name", "prefix", "customer", "owner", "is_enabled", "created_at")
    list_filter = ("is_enabled",)
    list_select_related = ("customer", "owner")
    search_fields = ("name", "prefix")
    ordering = ("-created_at", "-pk")
