"""Signatures of deliveries (Standard Webhooks, HMAC-SHA256).

The content is the id of the event, the time of the attempt in seconds and the body, with dots
between; the key is what follows ``whsec_``, decoded. While two secrets are valid there are two
signatures, so a receiver can replace its secret at any time of the overlap.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from uuid import UUID

from audit.webhooks.secrets import PREFIX


def headers(event_id: UUID, body: bytes, *, at: int, secrets: Iterable[str]) -> dict[str, str]:
    """Return the three headers of a delivery that is sent at a Unix time."""
    content = f"{event_id}.{at}.".encode() + body
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(_signature(content, secret) for secret in secrets),
    }


def _signature(content: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
