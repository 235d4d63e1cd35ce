"""Tokens, the secrets of API keys: their format, and the parts that may be shown and stored.

A token is ``cs_live_`` or ``cs_test_``, 27 random characters and a checksum of 6, all base62:

    cs_(live|test)_[0-9A-Za-z]{33}

27 characters of base62 are 160 bits. The checksum is the CRC-32 of the text before it, so mistyped
and made-up tokens are recognized without a database query, also by secret scanners.
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
    """The text is not a token."""


@dataclass(frozen=True, slots=True)
class Token:
    """A secret, with the parts of it that may be shown and stored."""

    text: str = field(repr=False)

    @classmethod
    def generate(cls, environment: str = "live") -> Self:
        """Return a new token from the operating system's random source."""
        body = f"cs_{environment}_"
        body += "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
        return cls(body + _checksum(body))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the token that a caller sent.

        :raises NoToken: if the text is not a token.
        """
        if not PATTERN.fullmatch(text):
            raise NoToken("malformed")
        body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
        if _checksum(body) != checksum:
            raise NoToken("wrong checksum")
        return cls(text)

    @property
    def digest(self) -> bytes:
        """The SHA-256 digest, which is enough for 160 random bits (OWASP ASVS 5.0, 6.5.2)."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def prefix(self) -> str:
        """The first characters, by which users distinguish their keys."""
        return self.text[:_SHOWN_LENGTH]


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
