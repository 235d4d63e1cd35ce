"""Recorded pairs of requests and responses, compared to the byte.

Each file holds a sequence of exchanges. Values that differ from run to run (ids, times, secrets)
are replaced by placeholders, such as ``<id:1>`` for the first id; everything else is compared to
the byte. An exchange without a response is recorded at its first run; no run ever changes one that
has a response.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.test import Client

# A listed header is part of the contract. Others may come and go.
HEADERS = (
    "Cache-Control",
    "Command-Id",
    "Content-Type",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
)
_VARIABLE = re.compile(
    r"(?P<secret>cs_(?:live|test)_[0-9A-Za-z]{33})"
    r"|(?P<prefix>cs_(?:live|test)_[0-9A-Za-z]{4})(?![0-9A-Za-z])"
    r"|(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
)
_PLACEHOLDER = re.compile(r"<(?:secret|prefix|id|time|key):[a-z0-9-]+>")


@dataclass
class Names:
    """The placeholders of a sequence, with their values in this run."""

    values: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """Replace values that differ from run to run by placeholders."""
        return _VARIABLE.sub(self._placeholder, text)

    def fill(self, text: str) -> str:
        """Replace placeholders by their values."""
        return _PLACEHOLDER.sub(lambda match: self.values[match[0]], text)

    def _placeholder(self, match: re.Match[str]) -> str:
        for placeholder, value in self.values.items():
            if value == match[0]:
                return placeholder
        kind = match.lastgroup
        number = 1 + sum(bool(re.match(rf"<{kind}:\d", name)) for name in self.values)
        self.values[f"<{kind}:{number}>"] = match[0]
        return f"<{kind}:{number}>"


def play(path: Path, *, client: Client, names: Names) -> None:
    """Send every request of a file; compare each response, or record it if there is none."""
    recorded = json.loads(path.read_text())
    exchanges = [_played(exchange, client=client, names=names) for exchange in recorded]
    if exchanges != recorded:
        path.write_text(json.dumps(exchanges, indent=2, ensure_ascii=False) + "\n")


def _played(exchange: dict[str, Any], *, client: Client, names: Names) -> dict[str, Any]:
    answer = _shown(_send(exchange["request"], client=client, names=names), names)
    assert exchange.get("answer", answer) == answer, exchange["request"]
    return exchange | {"answer": answer}


def _send(request: dict[str, Any], *, client: Client, names: Names) -> Any:
    headers = {name: names.fill(value) for name, value in request.get("headers", {}).items()}
    return client.generic(
        request["method"],
        names.fill(request["path"]),
        names.fill(request.get("body", "")).encode(),
        content_type=request.get("type", "application/json"),
        headers=headers,
    )


def _shown(response: Any, names: Names) -> dict[str, Any]:
    # The body first: the lowest numbers are for values that later requests use.
    body = names.hide(response.content.decode())
    headers = {name: response[name] for name in HEADERS if name in response}
    return {
        "status": response.status_code,
        "headers": {name: names.hide(value) for name, value in headers.items()},
        "body": body,
    }
