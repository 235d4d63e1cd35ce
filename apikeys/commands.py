"""Commands of customers, their members and API keys."""

import json
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from apikeys.models import ApiKey, limits
from audit.domain import Command, FieldError, Invalid, SubjectOf, generated, identifier, quoted

# What a key can do, and who can use it: what matters where a command lets it do more.
_USE = (
    *("owner_id", "prefix", "scopes", "allowed_networks", "not_before", "expires_at"),
    *("is_enabled", "deleted_at"),
)


@dataclass(frozen=True, kw_only=True)
class _OnKey(Command):
    subject = SubjectOf("api-key", "api_key_id")

    api_key_id: UUID


@dataclass(frozen=True, kw_only=True)
class CreateCustomer(Command):
    """Create a customer."""

    message_type = "apikeys.create_customer"
    required_permission = "apikeys.create_customer"
    subject = SubjectOf("customer", "customer_id")
    sentence = "Create the customer {name}"
    depends_on = ()

    customer_id: UUID = generated()
    name: str
    confirm_similar_name: bool = False


@dataclass(frozen=True, kw_only=True)
class AddMember(Command):
    """Add a user to a customer."""

    message_type = "apikeys.add_member"
    required_permission = "apikeys.create_customer"
    subject = SubjectOf("customer", "customer_id")
    sentence = "Add user {user_id} to {subject}"
    empowers = SubjectOf("user", "user_id")
    depends_on = ("name",)

    customer_id: UUID
    user_id: int


@dataclass(frozen=True, kw_only=True)
class ApiKeyFields:
    """The fields of a new key, in the command and in the event. A new field needs a default."""

    api_key_id: UUID
    customer_id: UUID
    owner_id: int
    name: str
    # Newer than the first stored messages: each default is what those messages meant.
    description: str = ""
    environment: Literal["live", "test"] = "live"
    scopes: tuple[str, ...] = limits.DEFAULT_SCOPES
    allowed_networks: tuple[str, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CreateApiKey(ApiKeyFields, Command):
    """Create an API key and show its secret, once."""

    message_type = "apikeys.create"
    required_permission = "apikeys.create_apikey"
    subject = SubjectOf("api-key", "api_key_id")
    tenant_field = "customer_id"
    sentence = "Create the API key {name}"
    depends_on = ()

    api_key_id: UUID = generated()
    confirm_similar_name: bool = False

    def __post_init__(self) -> None:
        """Normalize and check the values.

        :raises Invalid: if a value is of the wrong type, too large or contradicts another one.
        """
        super().__post_init__()
        _normalize(self)

    def columns(self) -> dict[str, Any]:
        """Return the columns of the new key, each with its value."""
        return _columns(self)

    def content(self) -> dict[str, Any]:
        """Return the fields of the new key."""
        return {each.name: getattr(self, each.name) for each in fields(ApiKeyFields)}

    proposed_values = content


@dataclass(frozen=True, kw_only=True)
class UpdateApiKey(_OnKey):
    """Change the name, scopes, networks, validity or metadata of an API key.

    None leaves a field as it is; ``cleared`` names the times that are to be none.
    """

    message_type = "apikeys.update"
    required_permission = "apikeys.update_apikey"
    # What it can change, and who it acts for; neither the secret nor the switch.
    depends_on = (
        *("owner_id", "name", "description", "scopes", "allowed_networks"),
        *("not_before", "expires_at", "metadata", "deleted_at"),
    )

    name: str | None = None
    description: str | None = None
    scopes: tuple[str, ...] | None = None
    allowed_networks: tuple[str, ...] | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] | None = None
    cleared: tuple[Literal["not_before", "expires_at"], ...] = ()
    confirm_similar_name: bool = False

    def __post_init__(self) -> None:
        """Normalize and check the values.

        :raises Invalid: if a value is of the wrong type, too large or contradicts another one,
            or nothing changes.
        """
        super().__post_init__()
        _normalize(self)
        self._check_is_clear()

    def changes(self) -> dict[str, Any]:
        """Return the new value of each column that changes."""
        named = {name: value for name, value in _columns(self).items() if value is not None}
        return named | dict.fromkeys(self.cleared)

    def proposed_values(self) -> dict[str, Any]:
        """Return only the fields that change."""
        return self.changes()

    def describe(self, subject_label: str) -> str:
        """Return one sentence with the changes and their subject."""
        changes = [_change(name, value) for name, value in self.changes().items()]
        return f"Change {subject_label}: {'; '.join(changes)}"

    def _check_is_clear(self) -> None:
        contradictory = [name for name in self.cleared if getattr(self, name) is not None]
        if contradictory:
            message = "must not be both set and cleared"
            raise Invalid(errors=[FieldError(name, "invalid", message) for name in contradictory])
        if not self.changes():
            message = "Specify at least one field to change."
            raise Invalid(message, errors=[FieldError("", "nothing_to_change", message)])


# In seconds, the largest first.
_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


@dataclass(frozen=True, kw_only=True)
class RotateApiKey(_OnKey):
    """Issue a new secret for an API key, with an overlap in which the old one still works.

    ``replace_pick_up`` confirms that a secret which waits to be picked up is given up.
    """

    message_type = "apikeys.rotate"
    required_permission = "apikeys.rotate_apikey"
    sentence = "Rotate {subject}"
    depends_on = _USE

    overlap_seconds: int
    replace_pick_up: bool = False

    def __post_init__(self) -> None:
        """Check the overlap.

        :raises Invalid: if it is negative or longer than seven days.
        """
        super().__post_init__()
        limits.check_overlap(self.overlap_seconds)

    def describe(self, subject_label: str) -> str:
        """Return a sentence that also names the end of the old secret, and of one to pick up."""
        sentence = f"{super().describe(subject_label)}; the old secret {self._end()}"
        if not self.replace_pick_up:
            return sentence
        return f"{sentence}; a secret that is waiting to be picked up is given up"

    def _end(self) -> str:
        if not self.overlap_seconds:
            return "stops working at once"
        unit, size = next(each for each in _UNITS.items() if self.overlap_seconds % each[1] == 0)
        count = self.overlap_seconds // size
        return f"works for another {unit if count == 1 else f'{count} {unit}s'}"


@dataclass(frozen=True, kw_only=True)
class PickUpSecret(_OnKey):
    """Issue the secret of an approved API key to its requester."""

    message_type = "apikeys.pick_up"
    sentence = "Pick up the secret of {subject}"
    finishes_approved = True


@dataclass(frozen=True, kw_only=True)
class EndOverlap(_OnKey):
    """Record that the former secret of a rotated API key has stopped working."""

    message_type = "apikeys.end_overlap"
    # No row has this permission, so it cannot be granted.
    required_permission = "apikeys.end_overlap"
    sentence = "Record the end of the overlap of {subject}"
    depends_on = ()


@dataclass(frozen=True, kw_only=True)
class ExpirePickUp(_OnKey):
    """Record that the secret of an API key was not picked up in time."""

    message_type = "apikeys.expire_pick_up"
    # No row has this permission, so it cannot be granted.
    required_permission = "apikeys.expire_pick_up"
    sentence = "Record that the secret of {subject} was not picked up in time"
    depends_on = ()


@dataclass(frozen=True, kw_only=True)
class DeleteApiKey(_OnKey):
    """Delete an API key permanently. Its secrets stop working."""

    message_type = "apikeys.delete"
    required_permission = "apikeys.delete_apikey"
    sentence = "Delete {subject} permanently"
    depends_on = ("deleted_at",)


@dataclass(frozen=True, kw_only=True)
class EnableApiKey(_OnKey):
    """Enable an API key."""

    message_type = "apikeys.enable"
    required_permission = "apikeys.enable_apikey"
    sentence = "Enable {subject}"
    depends_on = _USE


@dataclass(frozen=True, kw_only=True)
class DisableApiKey(_OnKey):
    """Disable an API key, effective from its next request."""

    message_type = "apikeys.disable"
    required_permission = "apikeys.disable_apikey"
    sentence = "Disable {subject}"
    depends_on = ("is_enabled", "deleted_at")


def _normalize(command: CreateApiKey | UpdateApiKey) -> None:
    """Check the values, and normalize networks and scopes; None is a field that does not change.

    :raises Invalid: if a value is too large or contradicts another one.
    """
    if command.name is not None:
        limits.check_name(command.name)
    limits.check_description(command.description or "")
    limits.check_metadata(command.metadata or {})
    limits.check_period(command.not_before, command.expires_at)
    if command.allowed_networks is not None:
        networks = limits.normal_networks(command.allowed_networks)
        object.__setattr__(command, "allowed_networks", networks)
    if command.scopes is not None:
        object.__setattr__(command, "scopes", tuple(dict.fromkeys(command.scopes)))


# Derived, so that a field which a command takes cannot be left out of the row.
_COLUMNS = frozenset(column.attname for column in ApiKey._meta.concrete_fields)


def _columns(command: Command) -> dict[str, Any]:
    """Return the fields of a command that are columns of a key, as the columns hold them."""
    values, as_json = command.plain(), command.as_json()
    return {
        name: as_json[name] if isinstance(values[name], tuple | dict) else values[name]
        for name in values
        if name in _COLUMNS
    }


def _change(name: str, value: Any) -> str:
    label = name.replace("_", " ")
    match value:
        case None | []:
            return f"no {label}"
        case list():
            return f"{label} {', '.join(map(identifier, value))}"
        case datetime():
            return f"{label} {value:%Y-%m-%d %H:%M} UTC"
        case dict():
            return f"{label} {quoted(json.dumps(value, ensure_ascii=False))}"
        case _:
            return f"{label} {quoted(str(value))}"
