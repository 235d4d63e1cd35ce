"""Request bodies about API keys."""

from typing import Any

from rest_framework import serializers

from apikeys.models import Environment, limits
from audit.domain import known_scopes
from audit.rest import CommandInput

# Far more than exist; unknown scopes are reported by name.
_MOST_SCOPES = 100
_LONGEST_SCOPE = 100
_LONGEST_NETWORK = 100


class ScopeField(serializers.CharField):
    """A known scope."""

    @property
    def json_schema(self) -> dict[str, Any]:
        """The schema with all known scopes, for the OpenAPI document."""
        return {"type": "string", "enum": sorted(known_scopes())}


class _KeyInput(CommandInput):
    """The fields common to creation and update."""

    description = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=limits.LONGEST_DESCRIPTION,
        help_text="What the key is for.",
    )
    scopes = serializers.ListField(
        child=ScopeField(max_length=_LONGEST_SCOPE),
        required=False,
        allow_empty=False,
        max_length=_MOST_SCOPES,
        help_text="What the key may do: read, write, or <resource>:read and the like.",
    )
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=_LONGEST_NETWORK),
        required=False,
        max_length=limits.MOST_NETWORKS,
        help_text="Networks in CIDR notation that the key works from; none is everywhere.",
    )
    metadata = serializers.DictField(
        required=False, help_text="Whatever you want to keep with the key, as a JSON object."
    )

    def validate_scopes(self, wanted: list[str]) -> list[str]:
        limits.check_scopes(wanted)
        return wanted


class CreateApiKeyInput(_KeyInput):
    """What a caller says to create a key."""

    name = serializers.CharField(
        max_length=limits.LONGEST_NAME, help_text="What people call the key."
    )
    customer_id = serializers.UUIDField(
        required=False, help_text="Whose key it is, if you act for several customers."
    )
    environment = serializers.ChoiceField(
        choices=Environment.choices, required=False, help_text="Secrets begin with it. It stays."
    )
    not_before = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When the key begins to work."
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When the key stops working."
    )


class UpdateApiKeyInput(_KeyInput):
    """What is to change. What is left out stays as it is."""

    name = serializers.CharField(
        required=False, max_length=limits.LONGEST_NAME, help_text="What people call the key."
    )
    not_before = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When the key begins to work; null: at once."
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When the key stops working; null: never."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Distinguish cleared fields from omitted ones, which commands both write as None."""
        cleared = tuple(name for name, value in attrs.items() if value is None)
        return attrs | {"cleared": cleared}


class RotateApiKeyInput(CommandInput):
    """How a key is to be rotated."""

    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=limits.LONGEST_OVERLAP_SECONDS,
        help_text="How long the present secret goes on working; 0 ends it at once.",
    )


class LegacyCreateInput(CommandInput):
    """What version 1 takes to create a key."""

    name = serializers.CharField(max_length=limits.LONGEST_NAME)
    customer_id = serializers.UUIDField(required=False)


class LegacyRenameInput(CommandInput):
    """What version 1 takes to rename a key."""

    name = serializers.CharField(max_length=limits.LONGEST_NAME)
