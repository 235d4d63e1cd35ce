"""What can be asked for: customers, their people, and the life of an API key."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from apikeys.models import limits
from audit.messages.classes import Command, SubjectOf, generated
from audit.messages.exceptions import FieldError, Invalid


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
    # Later than the first stored commands: each has the value that those stood for.
    description: str = ""
    environment: Literal["live", "test"] = "live"
    scopes: tuple[str, ...] = limits.DEFAULT_SCOPES
    allowed_networks: tuple[str, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring every value into its normal form, and refuse what no key may hold.

        :raises Invalid: if a value is of the wrong type, too large or contradicts another one.
        """
        super().__post_init__()
        limits.check_name(self.name)
        limits.check_description(self.description)
        limits.check_metadata(self.metadata)
        limits.check_period(self.not_before, self.expires_at)
        networks = limits.normal_networks(self.allowed_networks)
        object.__setattr__(self, "allowed_networks", networks)
        object.__setattr__(self, "scopes", tuple(dict.fromkeys(self.scopes)))


@dataclass(frozen=True, kw_only=True)
class UpdateApiKey(Command):
    """Change what an API key is called, what it may do, or from where and until when it works.

    None leaves a field as it is; ``cleared`` names the times that are to be none.
    """

    message_type = "apikeys.update"
    required_permission = "apikeys.update_apikey"
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID
    name: str | None = None
    description: str | None = None
    scopes: tuple[str, ...] | None = None
    allowed_networks: tuple[str, ...] | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] | None = None
    cleared: tuple[Literal["not_before", "expires_at"], ...] = ()

    def __post_init__(self) -> None:
        """Bring every value into its normal form, and refuse what no key may hold.

        :raises Invalid: if a value is of the wrong type or too large, contradicts another one, or
            nothing is named.
        """
        super().__post_init__()
        if self.name is not None:
            limits.check_name(self.name)
        limits.check_description(self.description or "")
        limits.check_metadata(self.metadata or {})
        limits.check_period(self.not_before, self.expires_at)
        if self.allowed_networks is not None:
            networks = limits.normal_networks(self.allowed_networks)
            object.__setattr__(self, "allowed_networks", networks)
        if self.scopes is not None:
            object.__setattr__(self, "scopes", tuple(dict.fromkeys(self.scopes)))
        self._check_is_clear()

    def changes(self) -> dict[str, Any]:
        """Name the columns that are to change, each with its new value."""
        values = {name: self.plain()[name] for name in _CHANGEABLE}
        columns = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }
        if self.metadata is not None:
            columns["metadata"] = self.as_json()["metadata"]
        return columns | dict.fromkeys(self.cleared)

    def proposed_values(self) -> dict[str, Any]:
        """Leave out the fields that stay as they are."""
        return self.changes()

    def describe(self, subject_label: str) -> str:
        """Say in one sentence what is to change, and to what."""
        told = [_told(name, value) for name, value in self.changes().items()]
        return f"Change {subject_label}: {'; '.join(told)}"

    def _check_is_clear(self) -> None:
        contradictory = [name for name in self.cleared if getattr(self, name) is not None]
        if contradictory:
            words = "must not be both set and cleared"
            raise Invalid(errors=[FieldError(name, "invalid", words) for name in contradictory])
        if not self.changes():
            message = "Name at least one field that is to change."
            raise Invalid(message, errors=[FieldError("", "nothing_to_change", message)])


@dataclass(frozen=True, kw_only=True)
class RotateApiKey(Command):
    """Give an API key a new secret, and let the old one work for some time more."""

    message_type = "apikeys.rotate"
    required_permission = "apikeys.rotate_apikey"
    subject = SubjectOf("api-key", "api_key_id")
    sentence = "Rotate {subject}; the old secret works for {overlap_seconds} seconds more"

    api_key_id: UUID
    overlap_seconds: int

    def __post_init__(self) -> None:
        """Refuse an overlap that cannot be.

        :raises Invalid: if it is negative or longer than seven days.
        """
        super().__post_init__()
        limits.check_overlap(self.overlap_seconds)


@dataclass(frozen=True, kw_only=True)
class PickUpSecret(Command):
    """Make and show the secret of an API key that was approved, to whoever asked for it."""

    message_type = "apikeys.pick_up"
    subject = SubjectOf("api-key", "api_key_id")
    sentence = "Pick up the secret of {subject}"
    finishes_approved = True

    api_key_id: UUID


@dataclass(frozen=True, kw_only=True)
class DeleteApiKey(Command):
    """Delete an API key for good. None of its secrets works any more."""

    message_type = "apikeys.delete"
    required_permission = "apikeys.delete_apikey"
    subject = SubjectOf("api-key", "api_key_id")
    sentence = "Delete {subject} for good"

    api_key_id: UUID


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


_CHANGEABLE = (
    "name",
    "description",
    "scopes",
    "allowed_networks",
    "not_before",
    "expires_at",
    "metadata",
)


def _told(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    match value:
        case None | []:
            return f"no {words}"
        case list():
            return f"{words} {', '.join(value)}"
        case datetime():
            return f"{words} {value:%Y-%m-%d %H:%M} UTC"
        case dict():
            return f"{words} {json.dumps(value, ensure_ascii=False)}"
        case _:
            return f"{words} “{value}”"
