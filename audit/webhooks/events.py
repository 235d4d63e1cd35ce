"""Events of webhook endpoints. None has a secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.messages.classes import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class _OfEndpoint(Event):
    subject = SubjectOf("webhook-endpoint", "endpoint_id")

    endpoint_id: UUID


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointCreated(_OfEndpoint):
    """A webhook endpoint was created."""

    message_type = "webhooks.endpoint_created"

    tenant: str
    destination: str
    description: str
    event_types: tuple[str, ...]
    payload: str
    has_secret: bool


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointUpdated(_OfEndpoint):
    """A webhook endpoint was changed. ``changes`` holds the new values."""

    message_type = "webhooks.endpoint_updated"

    changes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class WebhookSecretRotated(_OfEndpoint):
    """A webhook endpoint has a new secret, or its requester may pick one up."""

    message_type = "webhooks.secret_rotated"

    overlap_seconds: int
    has_secret: bool


@dataclass(frozen=True, kw_only=True)
class WebhookSecretPickedUp(_OfEndpoint):
    """The requester picked up the secret of a webhook endpoint."""

    message_type = "webhooks.secret_picked_up"


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointEnabled(_OfEndpoint):
    """A webhook endpoint was enabled."""

    message_type = "webhooks.endpoint_enabled"


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointDisabled(_OfEndpoint):
    """A webhook endpoint was disabled: by request, or because it is gone or keeps failing."""

    message_type = "webhooks.endpoint_disabled"

    disabled_because: str


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointDeleted(_OfEndpoint):
    """A webhook endpoint was deleted permanently."""

    message_type = "webhooks.endpoint_deleted"


@dataclass(frozen=True, kw_only=True)
class TestEventSent(_OfEndpoint):
    """A test event, which is sent to its webhook endpoint only."""

    message_type = "webhooks.test_sent"


@dataclass(frozen=True, kw_only=True)
class DeliveryResent(_OfEndpoint):
    """An event is sent to a webhook endpoint again."""

    message_type = "webhooks.resent"

    event_id: UUID


@dataclass(frozen=True, kw_only=True)
class DeliveriesResentSince(_OfEndpoint):
    """Events that a webhook endpoint has not accepted are sent to it again."""

    message_type = "webhooks.resent_since"

    since: datetime
    deliveries: int
