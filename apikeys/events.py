"""What has happened to customers and API keys."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages import Event, SubjectOf


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
