"""Events of customers and API keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apikeys.commands import ApiKeyFields
from audit.domain import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class _OfKey(Event):
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID


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
class ApiKeyUpdated(_OfKey):
    """An API key was changed. ``changes`` holds the new values, null for a cleared one."""

    message_type = "apikeys.updated"

    changes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ApiKeyRotated(_OfKey):
    """An API key has a new secret, or its requester may pick one up; then the old one works on."""

    message_type = "apikeys.rotated"

    overlap_seconds: int
    has_secret: bool
    former_ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SecretPickedUp(_OfKey):
    """The requester picked up the secret of an API key."""

    message_type = "apikeys.picked_up"

    former_ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class OverlapEnded(_OfKey):
    """The former secret of a rotated API key no longer works."""

    message_type = "apikeys.overlap_ended"


@dataclass(frozen=True, kw_only=True)
class SecretNotPickedUp(_OfKey):
    """The requester did not pick up the secret of an API key in time."""

    message_type = "apikeys.pick_up_expired"


@dataclass(frozen=True, kw_only=True)
class ApiKeyDeleted(_OfKey):
    """An API key was deleted permanently."""

    message_type = "apikeys.deleted"


@dataclass(frozen=True, kw_only=True)
class ApiKeyEnabled(_OfKey):
    """An API key authenticates again."""

    message_type = "apikeys.enabled"


@dataclass(frozen=True, kw_only=True)
class ApiKeyDisabled(_OfKey):
    """An API key no longer authenticates."""

    message_type = "apikeys.disabled"
