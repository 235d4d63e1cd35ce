"""Secrets of webhook endpoints: generated, encrypted for storage, and decrypted to sign.

A secret is ``whsec_`` and 32 random bytes in base64, as Standard Webhooks has it. It is stored
under AES-256-GCM with the first of WEBHOOK_KEYS, bound to its endpoint: copied into another row, it
cannot be decrypted. Stored are the id of the key, a colon, the nonce of 12 bytes and the
ciphertext.
"""

import base64
import hashlib
import secrets
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.installation.settings import countersign

PREFIX = "whsec_"
_LENGTH = 32
_NONCE_LENGTH = 12


class Undecryptable(Exception):
    """The secret of the endpoint cannot be decrypted: rotate it, or restore its WEBHOOK_KEYS."""


def generate() -> str:
    """Return a new secret from the operating system's random source."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_LENGTH)).decode()


def encrypt(secret: str, *, endpoint_id: UUID) -> bytes:
    """Return a secret as it is stored."""
    key_id, key = next(iter(countersign().webhook_keys.items()))
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    ciphertext = _cipher(key).encrypt(nonce, secret.encode(), endpoint_id.bytes)
    return f"{key_id}:".encode() + nonce + ciphertext


def decrypt(stored: bytes, *, endpoint_id: UUID) -> str:
    """Return a stored secret.

    :raises Undecryptable: if its key is unknown, or it was altered or copied from another endpoint.
    """
    key_id, _, sealed = bytes(stored).partition(b":")
    key = countersign().webhook_keys.get(key_id.decode(errors="replace"))
    if key is None:
        raise Undecryptable
    nonce, ciphertext = sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:]
    try:
        return _cipher(key).decrypt(nonce, ciphertext, endpoint_id.bytes).decode()
    except (InvalidTag, ValueError) as error:
        raise Undecryptable from error


def _cipher(key: bytes) -> AESGCM:
    # The keys of the setting have 32 bytes or more.
    return AESGCM(hashlib.sha256(key).digest())
