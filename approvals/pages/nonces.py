"""Nonces of challenges for passkeys, each bound to a session and a purpose."""

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

_SALT = "approvals.passkeys"
_LENGTH = 32


def nonce_of(request: HttpRequest, purpose: str) -> str:
    """Return the nonce of a purpose in the session: computed, so that no page writes a session."""
    content = f"{request.session.session_key}\n{purpose}"
    return salted_hmac(_SALT, content, algorithm="sha256").hexdigest()[:_LENGTH]
