"""Signed files: JSON in one exact form, signed with Ed25519 (RFC 8032), verified offline.

This needs neither the database nor the settings, so an auditor can verify a file with only the
public key.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_WITH_ALL_CHARACTERS = "countersign-evidence/1"
_COMMON = {"format", "public_key", "signature"}


class NotGenuine(Exception):
    """The file is not the one that was signed."""


class Opened(NamedTuple):
    """The format and content of a genuine file, and the public key of its signature."""

    format: str
    content: Any
    public_key: str


def write(content: Any, *, member: str, format_name: str, seed: bytes) -> bytes:
    """Return content as a file of a format, signed with the key of this seed."""
    parts = {"format": format_name, member: content, "public_key": public_key(seed)}
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(_signed(parts))
    return written(parts | {"signature": base64.b64encode(signature).decode()})


def public_key(seed: bytes) -> str:
    """Return the public key of a seed, in base64."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return base64.b64encode(key.public_bytes_raw()).decode()


def verify(file: bytes, *, members: Mapping[str, str], expected_key: str | None) -> Opened:
    """Check that a file is exactly what was signed, and with the expected key.

    ``members`` has, for each format, the name of the member with the content. Without an expected
    key this only proves that the file was signed with the key that it names: compare that key with
    the published one.

    :raises NotGenuine: with a message that says what is wrong.
    """
    parts = _read(file, members)
    signature, key = str(parts.pop("signature")), str(parts["public_key"])
    if expected_key is not None and key != expected_key.strip():
        message = f"it is signed with an unexpected key: {key}"
        raise NotGenuine(message)
    try:
        Ed25519PublicKey.from_public_bytes(_decoded(key)).verify(
            _decoded(signature), _signed(parts)
        )
    except (InvalidSignature, ValueError) as error:
        message = "its signature does not match its content"
        raise NotGenuine(message) from error
    return Opened(parts["format"], parts[members[parts["format"]]], key)


def canonical(value: Any) -> bytes:
    """Return the JSON of a value in the form that is signed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def written(parts: dict[str, Any]) -> bytes:
    """Return the parts of a file in the form that files have."""
    # What is not ASCII may act on the program that shows it. Files of the first format have it.
    is_ascii = parts["format"] != _WITH_ALL_CHARACTERS
    text = json.dumps(parts, sort_keys=True, indent=2, ensure_ascii=is_ascii)
    return f"{text}\n".encode()


def _read(file: bytes, members: Mapping[str, str]) -> dict[str, Any]:
    try:
        parts: Any = json.loads(file)
    except (ValueError, RecursionError) as error:
        message = "it is not JSON"
        raise NotGenuine(message) from error
    if not isinstance(parts, dict) or parts.keys() - set(members.values()) != _COMMON:
        message = "it is not an evidence file"
        raise NotGenuine(message)
    rest = parts.keys() - _COMMON
    if {members.get(str(parts["format"]))} != rest:
        known = ", ".join(members)
        message = f"its format is unknown to this version, which knows {known}"
        raise NotGenuine(message)
    # Spaces, escapes and repeated names make no difference to JSON, but they were not signed.
    if written(parts) != file:
        message = "it is not in the form in which it was signed"
        raise NotGenuine(message)
    return parts


def _decoded(text: str) -> bytes:
    """Decode base64; refuse any spelling except the canonical one."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    if base64.b64encode(decoded).decode() != text:
        raise ValueError(text)
    return decoded


def _signed(parts: dict[str, Any]) -> bytes:
    return str(parts["format"]).encode() + b"\x00" + canonical(parts)
