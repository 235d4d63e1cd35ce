"""Keys of second factors at rest: encrypted, or as digests, under keys derived from PAYLOAD_KEYS.

The database alone is not enough to compute a code, or to add a factor that is accepted.
"""

import hashlib
import hmac
import secrets
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.installation.settings import countersign

_PURPOSE = b"countersign second factor"
_NONCE_LENGTH = 12


class Unreadable(Exception):
    """The key of the authenticator app cannot be decrypted: reset the second factor."""


def encrypt(content: bytes, *, user_id: int) -> bytes:
    """Return the id of the newest key, a colon, the nonce and the ciphertext by AES-256-GCM.

    It is bound to the user: copied into another person's row, it cannot be decrypted.
    """
    key_id, key = next(iter(countersign().payload_keys.items()))
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    ciphertext = AESGCM(_derived(key)).encrypt(nonce, content, _owner(user_id))
    return f"{key_id}:".encode() + nonce + ciphertext


def decrypt(stored: bytes, *, user_id: int) -> bytes:
    """Return what was encrypted for the user.

    :raises Unreadable: if its key is unknown, or it was altered or copied from another user.
    """
    key_id, _, sealed = bytes(stored).partition(b":")
    key = countersign().payload_keys.get(key_id.decode(errors="replace"))
    if key is None:
        _refuse()
    nonce, ciphertext = sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:]
    try:
        return AESGCM(_derived(key)).decrypt(nonce, ciphertext, _owner(user_id))
    except (InvalidTag, ValueError) as error:
        raise Unreadable from error


def digest(code: str, *, user_id: int) -> bytes:
    """Return the digest by which a recovery code is stored, under the newest key."""
    return next(iter(digests(code, user_id=user_id)))


def digests(code: str, *, user_id: int) -> list[bytes]:
    """Return the digests of a recovery code under each key, newest first."""
    content = _owner(user_id) + b" " + code.encode()
    keys = countersign().payload_keys.values()
    return [hmac.digest(_derived(key), content, "sha256") for key in keys]


def _derived(key: bytes) -> bytes:
    return hmac.digest(hashlib.sha256(key).digest(), _PURPOSE, "sha256")


def _owner(user_id: int) -> bytes:
    return str(user_id).encode()


def _refuse() -> NoReturn:
    raise Unreadable
