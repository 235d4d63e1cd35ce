"""Evidence files: JSON in one exact form, signed with Ed25519 (RFC 8032), verified offline.

This needs neither the database nor the settings, so an auditor can verify a file with only the
public key.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = "countersign-evidence/1"


class NotGenuine(Exception):
    """The file is not the one that was signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The content of a genuine file, and the public key of its signature."""

    evidence: dict[str, Any]
    public_key: str


def write(evidence: dict[str, Any], *, seed: bytes) -> bytes:
    """Return evidence as a file, signed with the key of this seed."""
    content = {"format": FORMAT, "evidence": evidence, "public_key": public_key(seed)}
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(_signed(content))
    return _written(content | {"signature": base64.b64encode(signature).decode()})


def public_key(seed: bytes) -> str:
    """Return the public key of a seed, in base64."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return base64.b64encode(key.public_bytes_raw()).decode()


def verify(file: bytes, *, expected_key: str | None) -> Verified:
    """Check that a file is exactly what was signed, and with the expected key.

    Without an expected key this only proves that the file was signed with the key that it names:
    compare that key with the published one.

    :raises NotGenuine: with a message that says what is wrong.
    """
    content = _read(file)
    signature, key = str(content.pop("signature")), str(content["public_key"])
    if expected_key is not None and key != expected_key.strip():
        message = f"it is signed with an unexpected key: {key}"
        raise NotGenuine(message)
    try:
        Ed25519PublicKey.from_public_bytes(_decoded(key)).verify(
            _decoded(signature), _signed(content)
        )
    except (InvalidSignature, ValueError) as error:
        message = "its signature does not match its content"
        raise NotGenuine(message) from error
    try:
        _check_digests(content["evidence"])
    except (KeyError, TypeError) as error:
        message = "it lacks required parts of an evidence file"
        raise NotGenuine(message) from error
    return Verified(evidence=content["evidence"], public_key=key)


def digest_of(command: dict[str, Any]) -> str:
    """Return the digest of a command as written here: what each approver approved."""
    content = [command["message_type"], command["schema_version"], command["values"]]
    return hashlib.sha256(_canonical(content)).hexdigest()


def _read(file: bytes) -> dict[str, Any]:
    try:
        content = json.loads(file)
    except ValueError as error:
        message = "it is not JSON"
        raise NotGenuine(message) from error
    members = {"format", "evidence", "public_key", "signature"}
    if not isinstance(content, dict) or content.keys() != members:
        message = "it is not an evidence file"
        raise NotGenuine(message)
    if content["format"] != FORMAT:
        message = f"its format is unknown to this version, which knows {FORMAT}"
        raise NotGenuine(message)
    # Spaces, escapes and repeated names make no difference to JSON, but they were not signed.
    if _written(content) != file:
        message = "it is not in the form in which it was signed"
        raise NotGenuine(message)
    return content


def _check_digests(evidence: dict[str, Any]) -> None:
    """Check that the command and every counted vote have the digest of the request."""
    command, digest = evidence["command"], evidence["request"]["digest"]
    if command is not None and digest_of(command) != digest:
        message = "the digest of the request does not match its command"
        raise NotGenuine(message)
    if any(vote["counts"] and vote["digest"] != digest for vote in evidence["votes"]):
        message = "a vote counts although it was given for other content"
        raise NotGenuine(message)


def _decoded(text: str) -> bytes:
    """Decode base64; refuse any spelling except the canonical one."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    if base64.b64encode(decoded).decode() != text:
        raise ValueError(text)
    return decoded


def _signed(content: dict[str, Any]) -> bytes:
    return FORMAT.encode() + b"\x00" + _canonical(content)


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _written(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False)
    return f"{text}\n".encode()
