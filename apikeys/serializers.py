"""API keys as JSON."""

from typing import Any

from rest_framework import serializers

from apikeys.models import ApiKey
from audit.viewsets import CommandInput


class CreateApiKeyInput(CommandInput):
    """What a caller says to create a key."""

    name = serializers.CharField(max_length=100, help_text="What people call the key.")
    customer_id = serializers.UUIDField(
        required=False, help_text="Whose key it is, if you act for several customers."
    )


def api_key_as_json(api_key: ApiKey) -> dict[str, Any]:
    """Present a key as both versions of the API do; its secret is never part of it."""
    return {
        "id": str(api_key.pk),
        "name": api_key.name,
        "enabled": api_key.is_enabled,
        "prefix": api_key.prefix,
        "created_at": api_key.created_at,
    }
