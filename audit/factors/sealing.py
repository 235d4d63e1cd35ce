"""Keys of second factors at rest: encrypted, or as digests, under keys derived from PAYLOAD_KEYS.

The database alone is not enough to compute a code, or to add a factor that is accepted.
"""

import hashlib
import hmac

from audit.installation import encryption
from audit.installation.settings import countersign

_PURPOSE = b"countersign second factor"


def encrypt(content: bytes, *, user_id: int) -> bytes:
    """Return the key of an authenticator app as it is stored, bound to its user."""
    return encryption.encrypt(content, keys=_keys(), owner=_owner(user_id))


def decrypt(stored: bytes, *, user_id: int) -> bytes:
    """Return the stored key of a user's authenticator app.

    :raises Undecryptable: if its key is unknown, or it was altered or copied from another user.
    """
    return encryption.decrypt(stored, keys=_keys(), owner=_owner(user_id))


def digest(code: str, *, user_id: int) -> bytes:
    """Return the digest by which a recovery code is stored, under the newest key."""
    return next(iter(digests(code, user_id=user_id)))


def digests(code: str, *, user_id: int) -> list[bytes]:
    """Return the digests of a recovery code under each key, newest first."""
    content = _owner(user_id) + b" " + code.encode()
    return [hmac.digest(key, content, "sha256") for key in _keys().values()]


def _keys() -> dict[str, bytes]:
    return {
        name: hmac.digest(hashlib.sha256(key).digest(), _PURPOSE, "sha256")
        for name, key in countersign().payload_keys.items()
    }


def _owner(user_id: int) -> bytes:
    return str(user_id).encode()
