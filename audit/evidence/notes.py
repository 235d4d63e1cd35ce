"""Signed notes (C2SP signed-note), and cosignatures of witnesses (C2SP tlog-cosignature)."""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

#: The types of keys: Ed25519 over the text, and over the text and a time.
SIGNATURE, COSIGNATURE = 1, 4

_MOST_SIGNATURES = 100
_KEY_ID_SIZE, _PUBLIC_KEY_SIZE, _SIGNATURE_SIZE, _TIME_SIZE = 4, 32, 64, 8
_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


class MalformedNote(ValueError):
    """The note or the key is not written as the specification requires."""


class InvalidNote(ValueError):
    """No known key has signed the note, or a signature of a known key is wrong."""


@dataclass(frozen=True)
class Signature:
    """A signature line: the name of the key, its id, and the signature itself."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"\u2014 {self.name} {_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True)
class Note:
    """A text and its signatures, verified or not."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def with_signatures(self, added: Iterable[Signature]) -> "Note":
        """Return the note with further signatures: new ones only, in their order."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *added))))


@dataclass(frozen=True)
class Verified:
    """A signature that was verified. Only a cosignature states its time."""

    name: str
    key_id: bytes
    type: int
    signed_at: datetime | None


@dataclass(frozen=True)
class Opened:
    """The text of a note, and those of its signatures that known keys have verified."""

    text: str
    signatures: tuple[Verified, ...]


@dataclass(frozen=True)
class Verifier:
    """A public key and its name. ``str()`` returns its published form, the verifier key."""

    name: str
    public_key: bytes
    type: int = SIGNATURE

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MalformedNote("The name of a key has no spaces, no plus, and is not empty")
        if self.type not in (SIGNATURE, COSIGNATURE) or len(self.public_key) != _PUBLIC_KEY_SIZE:
            raise MalformedNote("A key is Ed25519, of type 1 or 4, with 32 bytes")

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Return the verifier of a key as published: name, key id and public key.

        :raises MalformedNote: if it is malformed, or its id belongs to another key.
        """
        name, key_id, encoded = [*text.split("+", 2), "", ""][:3]
        key = _decoded(encoded)
        verifier = cls(name, key[1:], key[0] if key else 0)
        if key_id != verifier.key_id.hex():
            raise MalformedNote("The id of the key is not that of its name and public key")
        return verifier

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self._typed_key).digest()[:_KEY_ID_SIZE]

    @property
    def _typed_key(self) -> bytes:
        return bytes([self.type]) + self.public_key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(self._typed_key)}"

    def verify(self, text: str, signature: Signature) -> Verified:
        """Return the signature as verified.

        :raises InvalidNote: if it is not a signature of the text by this key.
        """
        signed_at, value = self._parts(signature.value)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(
                value, _message(text, signed_at)
            )
        except InvalidSignature as error:
            raise InvalidNote(f"The signature of {self.name} is wrong") from error
        return Verified(self.name, self.key_id, self.type, _moment(signed_at))

    def _parts(self, value: bytes) -> tuple[int | None, bytes]:
        if self.type == SIGNATURE:
            return None, value
        return int.from_bytes(value[:_TIME_SIZE]), value[_TIME_SIZE:]


class Signer:
    """A private key and its name: 32 secret bytes."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public_key = self._key.public_key().public_bytes_raw()
        self.verifier = Verifier(name, public_key)

    @property
    def name(self) -> str:
        return self.verifier.name

    def sign(self, text: str) -> Signature:
        return Signature(self.name, self.verifier.key_id, self._key.sign(text.encode()))


def sign(text: str, signers: Sequence[Signer]) -> Note:
    """Return the note of a text with a signature by each key.

    :raises MalformedNote: if the text does not end with a newline or has control characters.
    """
    _check_text(text)
    return Note(text, tuple(signer.sign(text) for signer in signers))


def parse(note: str) -> Note:
    """Return the text and the signatures of a note, which are not verified.

    :raises MalformedNote: if it is malformed.
    """
    text, separator, lines = note.rpartition("\n\n")
    if not (separator and lines.endswith("\n")):
        raise MalformedNote("A note is a text, an empty line, and lines of signatures")
    _check_text(f"{text}\n")
    if lines.count("\n") > _MOST_SIGNATURES:
        raise MalformedNote(f"A note has at most {_MOST_SIGNATURES} signatures")
    return Note(f"{text}\n", tuple(map(parse_signature, lines[:-1].split("\n"))))


def parse_signature(line: str) -> Signature:
    """Return the signature that a line of a note contains; the line has no newline.

    :raises MalformedNote: if it is malformed.
    """
    match = _LINE.fullmatch(line)
    decoded = _decoded(match[2]) if match else b""
    if match is None or len(decoded) <= _KEY_ID_SIZE:
        raise MalformedNote("A signature is a line with a dash, a name, and Base64")
    return Signature(match[1], decoded[:_KEY_ID_SIZE], decoded[_KEY_ID_SIZE:])


def verify(note: Note, verifiers: Iterable[Verifier]) -> Opened:
    """Return the text of a note with the signatures by known keys; others are ignored.

    :raises InvalidNote: if there is none by a known key, or one of those is wrong.
    """
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    verified = tuple(
        known[signature.name, signature.key_id].verify(note.text, signature)
        for signature in note.signatures
        if (signature.name, signature.key_id) in known
    )
    if not verified:
        raise InvalidNote("No known key has signed the note")
    return Opened(note.text, verified)


def _message(text: str, seconds: int | None) -> bytes:
    """Return what is signed: the text, and for a cosignature its time as well."""
    prefix = "" if seconds is None else f"cosignature/v1\ntime {seconds}\n"
    return f"{prefix}{text}".encode()


def _moment(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidNote("The time of a cosignature is out of range") from error


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(char < " " and char != "\n" for char in text):
        raise MalformedNote("The text ends with a newline and has no other control characters")


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedNote("The value is not Base64") from error
