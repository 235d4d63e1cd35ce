"""What can be asked for: customers, their people, and the life of an API key."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages import Command, SubjectOf, generated


@dataclass(frozen=True, kw_only=True)
class CreateCustomer(Command):
    """Create a customer."""

    message_type = "apikeys.create_customer"
    required_permission = "apikeys.create_customer"
    subject = SubjectOf("customer", "customer_id")
    sentence = "Create the customer “{name}”"

    customer_id: UUID = generated()
    name: str


@dataclass(frozen=True, kw_only=True)
class AddMember(Command):
    """Let a person act for a customer."""

    message_type = "apikeys.add_member"
    required_permission = "apikeys.create_customer"
    subject = SubjectOf("customer", "customer_id")
    sentence = "Let user {user_id} act for {subject}"

    customer_id: UUID
    user_id: int


@dataclass(frozen=True, kw_only=True)
class CreateApiKey(Command):
    """Create an API key and hand out its secret, once."""

    message_type = "apikeys.create"
    required_permission = "apikeys.create_apikey"
    subject = SubjectOf("api-key", "api_key_id")
    tenant_field = "customer_id"
    sentence = "Create the API key “{name}”"

    api_key_id: UUID = generated()
    customer_id: UUID
    owner_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class EnableApiKey(Command):
    """Let an API key authenticate again."""

    message_type = "apikeys.enable"
    required_permission = "apikeys.enable_apikey"
    subject = SubjectOf("api-key", "api_key_id")
    sentence = "Enable {subject}"

    api_key_id: UUID


@dataclass(frozen=True, kw_only=True)
class DisableApiKey(Command):
    """Turn an API key away from its next request on."""

    message_type = "apikeys.disable"
    required_permission = "apikeys.disable_apikey"
    subject = SubjectOf("api-key", "api_key_id")
    sentence = "Disable {subject}"

    api_key_id: UUID
