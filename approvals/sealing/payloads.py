"""Serialized held commands: sealed to their row, and verified before they are loaded.

A payload is the pickle of ``(message_type, schema_version, {field: plain value})``, never of a
class: a pickled dataclass skips its checks and may restore by position, and a pickled model would
overwrite newer data. This is the only module that loads a pickle.
"""

import hashlib
import hmac
import io
import json
import pickle
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from audit.installation.settings import countersign
from audit.messages import catalog
from audit.messages.classes import Command
from audit.messages.exceptions import Conflict, Invalid
from audit.messages.values import NotPlain, codec

LARGEST_PAYLOAD = 64 * 1024
_PROTOCOL = 4
# Newer than the first payloads: empty ones are not part of the sealed content.
_LATER = ("execute_by", "subject_values", "execute_after")
_ALLOWED = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (UUID, Decimal, datetime, date, timedelta, timezone)
}


class Unloadable(Conflict):
    """The requested command is no longer readable: it can only be denied or withdrawn."""

    remedy = "Deny or withdraw the request, then send the command again if it is still needed."


class TooLarge(Unloadable):
    """The requested command is larger than the limit."""


class Altered(Unloadable):
    """The requested command was altered, or belongs to another request."""

    title = "Altered command"


class ForbiddenContent(Unloadable):
    """The requested command contains something other than plain values."""


class UnknownCommand(Unloadable):
    """The requested command has a type that is unknown to this version."""


class Unfitting(Unloadable):
    """The requested command does not match the current version of its class."""

    title = "Outdated command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The row that a payload belongs to: in any other row the seal is invalid."""

    request_id: str
    command_id: str
    requester_kind: str
    requester_id: str
    requester_person: str
    subject_type: str
    subject_id: str
    subject_number: int
    policy_digest: str
    approve_by: str
    execute_by: str = ""
    subject_values: str = ""
    execute_after: str = ""

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return the binding of the row of a request."""
        return cls(
            request_id=str(row.pk),
            command_id=str(row.command_id),
            requester_kind=row.requester_kind,
            requester_id=row.requester_id,
            requester_person=row.requester_person,
            subject_type=row.subject_type,
            subject_id=row.subject_id,
            subject_number=row.subject_number,
            # Not a digest but all requirements in hexadecimal: the sealed format cannot change.
            policy_digest=canonical(row.requirements).hex(),
            approve_by=row.approve_by.isoformat(),
            execute_by=row.execute_by.isoformat() if row.execute_by else "",
            subject_values=canonical(row.subject_values).hex(),
            execute_after=time_as_text(row.execute_after),
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload with its seal, which names the key that signed it."""

    payload: bytes
    seal: str


@dataclass(frozen=True)
class Unsealed:
    """The content of a verified payload."""

    message_type: str
    schema_version: int
    values: dict[str, Any]
    execute_after: str = ""

    @cached_property
    def content(self) -> bytes:
        """The sealed command as canonical JSON: exactly the bytes that the digest covers.

        :raises Unfitting: if it cannot be written as JSON.
        """
        try:
            content = [self.message_type, self.schema_version, _json(self.values)]
            return canonical([*content, *filter(None, [self.execute_after])])
        except NotPlain as error:
            raise Unfitting from error

    @cached_property
    def digest(self) -> str:
        """The digest of the sealed command, which does not depend on the current class."""
        return _digest(self.content)

    @cached_property
    def command(self) -> Command:
        """The held command, in the current version of its class.

        :raises UnknownCommand: if its type is not that of a command.
        :raises Unfitting: if its values do not fit its class.
        """
        try:
            command = catalog.restore(self.message_type, self.schema_version, self.values)
        except catalog.UnknownMessageType as error:
            raise UnknownCommand from error
        except Invalid as error:
            raise Unfitting from error
        if not isinstance(command, Command):
            raise UnknownCommand
        return command


def seal(command: Command, binding: Binding) -> Sealed:
    """Serialize a command for later execution, bound to this row.

    :raises Invalid: if it is too large to be held.
    """
    content = (command.message_type, command.schema_version, _plain(command.plain()))
    payload = pickle.dumps(content, protocol=_PROTOCOL)
    if len(payload) > LARGEST_PAYLOAD:
        message = f"A command that needs approval may be at most {LARGEST_PAYLOAD} bytes long."
        raise Invalid(message)
    # A command that cannot be loaded again must not be held.
    _content(payload)
    return Sealed(payload, sign(_bound(payload, binding)))


def unseal(sealed: Sealed, binding: Binding) -> Unsealed:
    """Return what a payload holds, once its seal is verified.

    :raises Unloadable: if it is not what was sealed for this row, or holds more than plain values.
    """
    if len(sealed.payload) > LARGEST_PAYLOAD:
        raise TooLarge
    if not is_signed(_bound(sealed.payload, binding), sealed.seal):
        raise Altered
    return Unsealed(*_content(sealed.payload), execute_after=binding.execute_after)


def digest(command: Command, *, execute_after: datetime | None = None) -> str:
    """Return the SHA-256 of a command's canonical JSON: what an approver approves.

    The time before which it is not executed is part of it, if there is one.
    """
    content = [command.message_type, command.schema_version, command.as_json()]
    return _digest(canonical([*content, *filter(None, [time_as_text(execute_after)])]))


def time_as_text(time: datetime | None) -> str:
    """Return a time in UTC in the form that seals and digests cover; empty for None."""
    return time.astimezone(UTC).isoformat() if time else ""


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value: equal values always give the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(content: bytes) -> str:
    """Return the HMAC-SHA256 under the newest key, as the key's id, a colon and hexadecimal."""
    key_id, key = next(iter(countersign().payload_keys.items()))
    return f"{key_id}:{_mac(key, content)}"


def is_signed(content: bytes, signature: str) -> bool:
    """Return True if the signature was made over this content with one of the keys."""
    key_id, _, mac = signature.partition(":")
    key = countersign().payload_keys.get(key_id)
    return key is not None and hmac.compare_digest(_mac(key, content), mac)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: Any) -> Any:
    """Return stored values in the form of the command's JSON, without using its current class."""
    match value:
        case dict():
            return {key: _json(item) for key, item in value.items()}
        case tuple():
            return [_json(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            kind: Any = type(value)
            return codec(kind).dump(value)


def _mac(key: bytes, content: bytes) -> str:
    return hmac.digest(key, content, hashlib.sha256).hex()


def _bound(payload: bytes, binding: Binding) -> bytes:
    values = asdict(binding).items()
    bound = {name: value for name, value in values if value or name not in _LATER}
    # The JSON of the binding contains no NUL, so no payload can pass for a part of it.
    return canonical(bound) + b"\x00" + payload


def _plain(value: Any) -> Any:
    """Rebuild UUIDs, because pickling one includes any attribute that was set on it."""
    match value:
        case UUID():
            return UUID(int=value.int)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case tuple():
            return tuple(_plain(item) for item in value)
        case _:
            return value


class _PlainValues(pickle.Unpickler):
    """An unpickler that loads plain values and nothing that could run code."""

    def find_class(self, module: str, name: str) -> type:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise ForbiddenContent from None


def _content(payload: bytes) -> tuple[str, int, dict[str, Any]]:
    try:
        content = _PlainValues(io.BytesIO(payload)).load()
    except ForbiddenContent:
        raise
    # A broken pickle can raise any exception.
    except Exception as error:
        raise Unfitting from error
    match content:
        case (str(message_type), int(version), dict(values)):
            return message_type, version, values
    raise Unfitting
