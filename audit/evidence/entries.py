"""The entries of leaves, format version 1: docs/evidence.md specifies them.

Without Django and database: ``records`` reads what goes in, as text.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from hashlib import sha256
from typing import NamedTuple, TypeAlias

VERSION = 1
SALT_SIZE = 16

#: A value in an entry, or what a digest is made of.
Value: TypeAlias = str | int | bool | None


class Form(Enum):
    """The form in which the value of a column enters: as it is, or as a salted digest."""

    TEXT = auto()
    INTEGER = auto()
    # May exceed 2**53.
    LARGE_INTEGER = auto()
    ID = auto()
    TIME = auto()
    BYTES = auto()
    DIGEST = auto()
    DIGEST_OF_JSON = auto()
    DIGEST_OF_ADDRESS = auto()

    @property
    def is_digest(self) -> bool:
        return self in (Form.DIGEST, Form.DIGEST_OF_JSON, Form.DIGEST_OF_ADDRESS)


_OF_BOTH = {
    "position": Form.LARGE_INTEGER,
    "epoch": Form.INTEGER,
    "xid": Form.LARGE_INTEGER,
    "command_id": Form.ID,
    "attempt": Form.INTEGER,
    "message_type": Form.TEXT,
    "schema_version": Form.INTEGER,
    "data": Form.DIGEST_OF_JSON,
    "subject_type": Form.TEXT,
    "subject_id": Form.DIGEST,
    "tenant": Form.DIGEST,
    "correlation_id": Form.ID,
    "causation_id": Form.ID,
}
_OF_COMMANDS = {
    "fingerprint": Form.BYTES,
    "actor_kind": Form.TEXT,
    "actor_id": Form.DIGEST,
    "actor_person": Form.DIGEST,
    "actor_label": Form.DIGEST,
    "channel": Form.TEXT,
    "reason": Form.DIGEST,
    "request_id": Form.DIGEST,
    "traceparent": Form.DIGEST,
    "idempotency_key": Form.DIGEST,
    "client_address": Form.DIGEST_OF_ADDRESS,
    "user_agent": Form.DIGEST,
    "status": Form.TEXT,
    "error_code": Form.TEXT,
    "error_message": Form.DIGEST,
    "result_type": Form.TEXT,
    "result_id": Form.DIGEST,
    "received_at": Form.TIME,
    "duration_us": Form.LARGE_INTEGER,
    "retries": Form.INTEGER,
    "decision": Form.DIGEST_OF_JSON,
}
_OF_EVENTS = {"id": Form.ID, "number": Form.LARGE_INTEGER, "occurred_at": Form.TIME}
#: The columns of records in entries of this version. A new column is part of the next version.
COLUMNS: Mapping[str, Mapping[str, Form]] = {
    "command": _OF_BOTH | _OF_COMMANDS,
    "event": _OF_BOTH | _OF_EVENTS,
}
#: Columns that are in no entry until the next version.
LEFT_OUT: Mapping[str, frozenset[str]] = {"command": frozenset(), "event": frozenset()}

_ARE_DIGESTS = {
    kind: {name: form.is_digest for name, form in columns.items()}
    for kind, columns in COLUMNS.items()
}
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class Disclosed(NamedTuple):
    """The value behind a digest, and the salt of its field: the digest is SHA-256 of both.

    A missing value, None, has no digest.
    """

    salt: bytes
    value: str | None


def record_entry(kind: str, values: Sequence[Value], salt: bytes) -> bytes:
    """Return the entry of a command or an event, from the values of its columns in their order."""
    members: dict[str, Value] = {"version": VERSION, "kind": kind}
    for (name, is_digest), value in zip(_ARE_DIGESTS[kind].items(), values, strict=True):
        members[name] = _digest(salt, name, value) if is_digest else value
    return canonical(members)


def disclosed(kind: str, values: Sequence[Value], salt: bytes) -> dict[str, Disclosed]:
    """Return the values that the entry of a record has as digests only, by the names of columns."""
    return {
        name: Disclosed(field_salt(salt, name), None if value is None else str(value))
        for (name, form), value in zip(COLUMNS[kind].items(), values, strict=True)
        if form.is_digest
    }


def log_entry(
    *, number: int, origin: str, began_at: datetime, former: tuple[str, int, bytes] | None
) -> bytes:
    """Return the first entry of a log; ``former`` is the last checkpoint of the log before."""
    name, size, root = former or (None, None, None)
    return canonical(
        {
            "version": VERSION,
            "kind": "log",
            "log": number,
            "origin": origin,
            "began_at": utc_text(began_at),
            "former_origin": name,
            "former_size": None if size is None else str(size),
            "former_root": None if root is None else root.hex(),
        }
    )


def key_entry(*, verifier_key: str, begins: bool, at: datetime) -> bytes:
    """Return the entry by which the signatures of a key begin or end."""
    return canonical(
        {
            "version": VERSION,
            "kind": "key",
            "verifier_key": verifier_key,
            "begins": begins,
            "at": utc_text(at),
        }
    )


def canonical(members: Mapping[str, Value]) -> bytes:
    """Return RFC 8785 of an object whose names are ASCII and whose values are not nested."""
    return _encode(members).encode()


def field_salt(salt: bytes, name: str) -> bytes:
    return sha256(salt + name.encode()).digest()


def utc_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _digest(salt: bytes, name: str, value: Value) -> str | None:
    if value is None:
        return None
    return sha256(field_salt(salt, name) + str(value).encode()).hexdigest()
