"""Events of customers and API keys."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from apikeys.models.limits import DEFAULT_SCOPES
from audit.domain import Event, SubjectOf


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
class ApiKeyCreated(Event):
    """An API key was created."""

    message_type = "apikeys.created"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    customer_id: UUID
    owner_id: int
    name: str
    has_secret: bool
    # Newer than the first stored events: each default is what those events meant.
    description: str = ""
    environment: Literal["live", "test"] = "live"
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    allowed_networks: tuple[str, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ApiKeyUpdated(Event):
    """An API key was changed. ``changes`` holds the new values, null for a cleared one."""

    message_type = "apikeys.updated"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ApiKeyRotated(Event):
    """An API key has a new secret, or its requester may pick one up; then the old one works on."""

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
    """An API key was deleted permanently."""

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
    """An API key no longer authenticates."""

    message_type = "apikeys.disabled"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
