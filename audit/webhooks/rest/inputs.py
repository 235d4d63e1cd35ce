"""Request bodies of commands on webhook endpoints."""

from rest_framework import serializers

from audit.rest.times import TimeField
from audit.rest.viewsets.commands import CommandInput
from audit.webhooks import limits
from audit.webhooks.destinations import LONGEST_URL
from audit.webhooks.models import Payload


class _EventTypesField(serializers.ListField):
    child = serializers.RegexField(
        f"^{limits.EVENT_TYPE}$", max_length=limits.LONGEST_EVENT_TYPE, trim_whitespace=False
    )

    def __init__(self) -> None:
        super().__init__(
            required=False,
            min_length=1,
            max_length=limits.MOST_EVENT_TYPES,
            help_text="Event types, or beginnings such as apikeys.*; * stands for all.",
        )


class _EndpointInput(CommandInput):
    """The fields common to creation and update."""

    description = serializers.CharField(
        required=False, allow_blank=True, max_length=limits.LONGEST_DESCRIPTION
    )
    event_types = _EventTypesField()
    payload = serializers.ChoiceField(
        choices=Payload.choices,
        required=False,
        help_text="thin: what the event is about; full: also its data.",
    )


class CreateEndpointInput(_EndpointInput):
    """Input to create a webhook endpoint."""

    destination = serializers.CharField(
        max_length=LONGEST_URL, help_text="The HTTPS URL that events are sent to."
    )
    tenant = serializers.CharField(
        required=False,
        max_length=limits.LONGEST_TENANT,
        help_text="The customer whose events it gets, if you act for several; * for all.",
    )


class UpdateEndpointInput(_EndpointInput):
    """The fields to change. Omitted fields stay unchanged."""

    destination = serializers.CharField(
        required=False, max_length=LONGEST_URL, help_text="The HTTPS URL that events are sent to."
    )


class RotateSecretInput(CommandInput):
    """Options for a rotation."""

    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=limits.LONGEST_OVERLAP_SECONDS,
        help_text="Seconds for which the current secret also signs; 0 ends it immediately.",
    )


class ResendSinceInput(CommandInput):
    """The time since which events are sent again."""

    since = TimeField(help_text="A time in the last 14 days.")
