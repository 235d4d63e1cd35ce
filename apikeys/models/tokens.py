"""Tokens, the secrets of API keys: how they look, and what may be shown and stored of them.

A token reads ``cs_live_`` or ``cs_test_``, 27 random characters and 6 of checksum, all base62:

    cs_(live|test)_[0-9A-Za-z]{33}

27 characters of base62 are 160 bits. The checksum is the CRC-32 of what stands before it, so
mistyped and made-up tokens are told without a question to the database, also by secret scanners.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Self

PATTERN = re.compile(r"cs_(live|test)_[0-9A-Za-z]{33}")
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 27
_CHECKSUM_LENGTH = 6
_SHOWN_LENGTH = len("cs_live_") + 4


class NoToken(ValueError):
    """This is not a token of this service."""


@dataclass(frozen=True, slots=True)
class Token:
    """A secret, with what may be shown and what may be stored of it."""

    text: str = field(repr=False)

    @classmethod
    def generate(cls, environment: str = "live") -> Self:
        """Make a new one from the operating system's randomness."""
        body = f"cs_{environment}_"
        body += "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
        return cls(body + _checksum(body))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take what a caller sent.

        :raises NoToken: if no token of ours looks like that.
        """
        if not PATTERN.fullmatch(text):
            raise NoToken("malformed")
        body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
        if _checksum(body) != checksum:
            raise NoToken("wrong checksum")
        return cls(text)

    @property
    def digest(self) -> bytes:
        """SHA-256, which is enough for 160 random bits (OWASP ASVS 5.0, 6.5.2)."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def prefix(self) -> str:
        """The first characters, by which people tell their keys apart."""
        return self.text[:_SHOWN_LENGTH]


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
