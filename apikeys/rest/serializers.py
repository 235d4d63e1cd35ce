"""Request bodies about API keys."""

from functools import partial
from typing import Any, ClassVar

from rest_framework import serializers

from apikeys.models import Environment, limits
from audit.domain import check_name, known_scopes
from audit.rest import CommandInput, IdField, TimeField

_LONGEST_NETWORK = 100
_OptionalTime = partial(TimeField, required=False, allow_null=True)


class NameField(serializers.CharField):
    """The name of a key, of which every character can be seen."""

    def __init__(self, **options: Any) -> None:
        help_text = "The name of the key. Every character must be visible."
        super().__init__(max_length=limits.LONGEST_NAME, help_text=help_text, **options)

    def to_internal_value(self, data: Any) -> str:
        name: str = super().to_internal_value(data)
        check_name(name)
        return name


class ScopeField(serializers.CharField):
    """A known scope."""

    @property
    def json_schema(self) -> dict[str, Any]:
        """The schema with all known scopes, for the OpenAPI document."""
        return {"type": "string", "enum": sorted(known_scopes())}


class ScopesField(serializers.ListField):
    """A list of known scopes."""

    # Far longer than any scope, and more than exist; unknown ones are reported by name.
    child = ScopeField(max_length=100)

    def __init__(self, *, max_length: int = 100, **options: Any) -> None:
        super().__init__(required=False, allow_empty=False, max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        scopes: list[str] = super().to_internal_value(data)
        limits.check_scopes(scopes)
        return scopes


class _KeyInput(CommandInput):
    """The fields common to creation and update."""

    description = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=limits.LONGEST_DESCRIPTION,
        help_text="The purpose of the key.",
    )
    scopes = ScopesField(
        help_text="The scopes of the key: read, write, <resource>:read or <resource>:write."
    )
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=_LONGEST_NETWORK),
        required=False,
        max_length=limits.MOST_NETWORKS,
        help_text="Networks in CIDR notation from which the key works; empty: all.",
    )
    metadata = serializers.DictField(
        required=False, help_text="Your own data about the key, as a JSON object."
    )
    confirm_similar_name = serializers.BooleanField(
        required=False,
        help_text="Use the name although it is easily confused with that of another key.",
    )


class CreateApiKeyInput(_KeyInput):
    """Input to create a key."""

    name = NameField()
    customer_id = IdField(
        required=False, help_text="The customer of the key, if you act for several."
    )
    environment = serializers.ChoiceField(
        choices=Environment.choices,
        required=False,
        help_text="The use of the key; its secrets begin with it. It cannot change.",
    )
    not_before = _OptionalTime(help_text="The start of validity.")
    expires_at = _OptionalTime(help_text="The end of validity.")


class UpdateApiKeyInput(_KeyInput):
    """The fields to change. Omitted fields stay unchanged."""

    name = NameField(required=False)
    not_before = _OptionalTime(help_text="The start of validity; null: immediately.")
    expires_at = _OptionalTime(help_text="The end of validity; null: never.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Distinguish cleared fields from omitted ones, which commands both write as None."""
        cleared = tuple(name for name, value in attrs.items() if value is None)
        return attrs | {"cleared": cleared}


class RotateApiKeyInput(CommandInput):
    """Options for a rotation."""

    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=limits.LONGEST_OVERLAP_SECONDS,
        help_text="Seconds for which the current secret still works; 0 ends it immediately.",
    )
    replace_pick_up = serializers.BooleanField(
        required=False,
        help_text="Give up a secret that is waiting to be picked up, instead of a refusal.",
    )


class LegacyInput(CommandInput):
    """Input of version 1, with the message that it always had for what is no object."""

    default_error_messages: ClassVar = {
        "invalid": "Invalid data. Expected a dictionary, but got {datatype}."
    }


class LegacyCreateInput(LegacyInput):
    """Input of version 1 to create a key."""

    name = serializers.CharField(max_length=limits.LONGEST_NAME)
    customer_id = serializers.UUIDField(required=False)


class LegacyRenameInput(LegacyInput):
    """Input of version 1 to rename a key."""

    name = serializers.CharField(max_length=limits.LONGEST_NAME)
