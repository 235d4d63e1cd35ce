"""What has happened to customers and API keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apikeys.commands import ApiKeyFields
from audit.messages.classes import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class CustomerCreated(Event):
    """A customer was created."""

    message_type = "apikeys.customer_created"
    subject = SubjectOf("customer", "customer_id")

    customer_id: UUID
    name: str


@dataclass(frozen=True, kw_only=True)
class MemberAdded(Event):
    """A person may act for a customer."""

    message_type = "apikeys.member_added"
    subject = SubjectOf("customer", "customer_id")

    customer_id: UUID
    user_id: int


@dataclass(frozen=True, kw_only=True)
class ApiKeyCreated(ApiKeyFields, Event):
    """An API key was created."""

    message_type = "apikeys.created"
    subject = SubjectOf("api-key", "api_key_id")

    has_secret: bool


@dataclass(frozen=True, kw_only=True)
class ApiKeyUpdated(Event):
    """An API key was changed. ``changes`` holds the new values, and null for what is no more."""

    message_type = "apikeys.updated"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ApiKeyRotated(Event):
    """An API key has a new secret, or its requester may pick one up: then nothing has ended yet."""

    message_type = "apikeys.rotated"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    overlap_seconds: int
    has_secret: bool
    former_ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SecretPickedUp(Event):
    """The requester picked up the secret of an API key."""

    message_type = "apikeys.picked_up"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    former_ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApiKeyDeleted(Event):
    """An API key was deleted for good."""

    message_type = "apikeys.deleted"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID


@dataclass(frozen=True, kw_only=True)
class ApiKeyEnabled(Event):
    """An API key authenticates again."""

    message_type = "apikeys.enabled"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID


@dataclass(frozen=True, kw_only=True)
class ApiKeyDisabled(Event):
    """An API key is turned away."""

    message_type = "apikeys.disabled"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
