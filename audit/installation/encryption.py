"""Encryption of stored secrets by AES-256-GCM, each bound to its owner.

Stored are the id of the key, a colon, the nonce of 12 bytes and the ciphertext.
"""

import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_LENGTH = 12


class Undecryptable(Exception):
    """A stored secret cannot be decrypted with the current keys for this owner."""


def encrypt(content: bytes, *, keys: Mapping[str, bytes], owner: bytes) -> bytes:
    """Return a secret as it is stored, under the first of the keys, which have 32 bytes.

    Copied into the row of another owner, it cannot be decrypted.
    """
    key_id, key = next(iter(keys.items()))
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    return f"{key_id}:".encode() + nonce + AESGCM(key).encrypt(nonce, content, owner)


def decrypt(stored: bytes, *, keys: Mapping[str, bytes], owner: bytes) -> bytes:
    """Return a stored secret.

    :raises Undecryptable: if its key is unknown, or it was altered or copied from another owner.
    """
    key_id, _, sealed = bytes(stored).partition(b":")
    key = keys.get(key_id.decode(errors="replace"))
    if key is None:
        raise Undecryptable
    nonce, ciphertext = sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, owner)
    except (InvalidTag, ValueError) as error:
        raise Undecryptable from error
