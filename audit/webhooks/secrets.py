"""Secrets of webhook endpoints: generated, encrypted for storage, and decrypted to sign.

A secret is ``whsec_`` and 32 random bytes in base64, as Standard Webhooks has it. It is stored
encrypted under the first of WEBHOOK_KEYS, and bound to its endpoint.
"""

import base64
import hashlib
import secrets
from uuid import UUID

from audit.installation import encryption
from audit.installation.settings import countersign

PREFIX = "whsec_"
_LENGTH = 32


class Undecryptable(Exception):
    """The secret of the endpoint cannot be decrypted: rotate it, or restore its WEBHOOK_KEYS."""


def generate() -> str:
    """Return a new secret from the operating system's random source."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_LENGTH)).decode()


def encrypt(secret: str, *, endpoint_id: UUID) -> bytes:
    """Return a secret as it is stored."""
    return encryption.encrypt(secret.encode(), keys=_keys(), owner=endpoint_id.bytes)


def decrypt(stored: bytes, *, endpoint_id: UUID) -> str:
    """Return a stored secret.

    :raises Undecryptable: if its key is unknown, or it was altered or copied from another endpoint.
    """
    try:
        return encryption.decrypt(stored, keys=_keys(), owner=endpoint_id.bytes).decode()
    except encryption.Undecryptable as error:
        raise Undecryptable from error


def _keys() -> dict[str, bytes]:
    # The keys of the setting have 32 bytes or more.
    return {name: hashlib.sha256(key).digest() for name, key in countersign().webhook_keys.items()}
