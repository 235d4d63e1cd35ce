"""Commands on webhook endpoints and their deliveries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from audit.messages.classes import Command, SubjectOf, generated
from audit.messages.exceptions import FieldError, Invalid
from audit.webhooks import limits

_MANAGE = "audit.manage_webhookendpoint"
_RESEND = "audit.resend_webhookdelivery"
_WHAT = ("destination", "event_types", "payload", "deleted_at")


@dataclass(frozen=True, kw_only=True)
class _OnEndpoint(Command):
    subject = SubjectOf("webhook-endpoint", "endpoint_id")

    endpoint_id: UUID


@dataclass(frozen=True, kw_only=True)
class CreateWebhookEndpoint(Command):
    """Create a webhook endpoint and show its secret, once.

    ``tenant`` is `*` for an endpoint that gets the events of all tenants. ``event_types`` are
    types, or beginnings such as `apikeys.*`; `*` stands for all.
    """

    message_type = "webhooks.create_endpoint"
    required_permission = _MANAGE
    subject = SubjectOf("webhook-endpoint", "endpoint_id")
    tenant_field = "tenant"
    sentence = "Send events of the types {event_types} to {destination}"
    depends_on = ()

    endpoint_id: UUID = generated()
    tenant: str
    destination: str
    description: str = ""
    event_types: tuple[str, ...] = ("*",)
    payload: Literal["thin", "full"] = "thin"

    def __post_init__(self) -> None:
        """Check the values.

        :raises Invalid: if one is malformed or too long.
        """
        super().__post_init__()
        limits.check_tenant(self.tenant)
        limits.check_endpoint(self.content())

    def content(self) -> dict[str, Any]:
        """Return the fields that can be changed later."""
        return {name: getattr(self, name) for name in limits.CHANGEABLE}


@dataclass(frozen=True, kw_only=True)
class UpdateWebhookEndpoint(_OnEndpoint):
    """Change the destination, description, event types or payload of a webhook endpoint.

    None leaves a field as it is.
    """

    message_type = "webhooks.update_endpoint"
    required_permission = _MANAGE
    depends_on = (*_WHAT, "description")

    destination: str | None = None
    description: str | None = None
    event_types: tuple[str, ...] | None = None
    payload: Literal["thin", "full"] | None = None

    def __post_init__(self) -> None:
        """Check the values.

        :raises Invalid: if one is malformed or too long, or nothing changes.
        """
        super().__post_init__()
        limits.check_endpoint(self.changes())
        if not self.changes():
            message = "Specify at least one field to change."
            raise Invalid(message, errors=[FieldError("", "nothing_to_change", message)])

    def changes(self) -> dict[str, Any]:
        """Return the new value of each field that changes."""
        values = {name: getattr(self, name) for name in limits.CHANGEABLE}
        return {name: value for name, value in values.items() if value is not None}

    proposed_values = changes


@dataclass(frozen=True, kw_only=True)
class RotateWebhookSecret(_OnEndpoint):
    """Issue a new secret for a webhook endpoint; the old one also signs until the overlap ends."""

    message_type = "webhooks.rotate_secret"
    required_permission = _MANAGE
    sentence = "Rotate the secret of {subject}; the old one signs for another {overlap_seconds} s"
    depends_on = _WHAT

    overlap_seconds: int

    def __post_init__(self) -> None:
        """Check the overlap.

        :raises Invalid: if it is negative or longer than seven days.
        """
        super().__post_init__()
        limits.check_overlap(self.overlap_seconds)


@dataclass(frozen=True, kw_only=True)
class PickUpWebhookSecret(_OnEndpoint):
    """Issue the approved secret of a webhook endpoint to its requester, once."""

    message_type = "webhooks.pick_up_secret"
    sentence = "Pick up the secret of {subject}"
    finishes_approved = True


@dataclass(frozen=True, kw_only=True)
class EnableWebhookEndpoint(_OnEndpoint):
    """Enable a webhook endpoint: what waits for it is sent."""

    message_type = "webhooks.enable_endpoint"
    required_permission = _MANAGE
    sentence = "Enable {subject}"
    depends_on = (*_WHAT, "is_enabled")


@dataclass(frozen=True, kw_only=True)
class DisableWebhookEndpoint(_OnEndpoint):
    """Disable a webhook endpoint: nothing is sent until it is enabled."""

    message_type = "webhooks.disable_endpoint"
    required_permission = _MANAGE
    sentence = "Disable {subject}"
    depends_on = ("is_enabled", "deleted_at")


@dataclass(frozen=True, kw_only=True)
class DisableFailingWebhookEndpoint(_OnEndpoint):
    """Disable a webhook endpoint that accepts nothing any longer. Only the sender does this."""

    message_type = "webhooks.disable_failing_endpoint"
    required_permission = "audit.disable_failing_webhookendpoint"
    sentence = "Disable {subject}, which accepts nothing any longer"
    depends_on = ("is_enabled", "deleted_at")

    cause: Literal["gone", "failing"]


@dataclass(frozen=True, kw_only=True)
class DeleteWebhookEndpoint(_OnEndpoint):
    """Delete a webhook endpoint permanently, with its secrets."""

    message_type = "webhooks.delete_endpoint"
    required_permission = _MANAGE
    sentence = "Delete {subject} permanently"
    depends_on = ("deleted_at",)


@dataclass(frozen=True, kw_only=True)
class SendTestEvent(_OnEndpoint):
    """Send a test event to a webhook endpoint."""

    message_type = "webhooks.send_test"
    required_permission = _RESEND
    sentence = "Send a test event to {subject}"
    depends_on = _WHAT


@dataclass(frozen=True, kw_only=True)
class ResendDelivery(_OnEndpoint):
    """Send an event to a webhook endpoint again."""

    message_type = "webhooks.resend"
    required_permission = _RESEND
    sentence = "Send the event {event_id} to {subject} again"
    depends_on = _WHAT

    event_id: UUID


@dataclass(frozen=True, kw_only=True)
class ResendSince(_OnEndpoint):
    """Send to a webhook endpoint the events since a time that it has not accepted."""

    message_type = "webhooks.resend_since"
    required_permission = _RESEND
    sentence = "Send to {subject} the events since {since} that it has not accepted"
    depends_on = _WHAT

    since: datetime
