"""Requests to the API, as a client sends them."""

import json
from typing import Any

from django.test import Client


def call(
    client: Client, method: str, path: str, body: Any = None, *, key: Any = None, **headers: Any
) -> Any:
    """Send JSON with a key's secret, or with a given secret."""
    names = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    if key is not None:
        names["Authorization"] = f"Bearer {key if isinstance(key, str) else key.secret}"
    content = b"" if body is None else json.dumps(body).encode()
    return client.generic(method, path, content, content_type="application/json", headers=names)
