"""Recorded request/answer pairs: what is sent, and what came back to the byte.

Each file holds a story of exchanges. What differs from run to run (ids, times, secrets) stands in
it as a placeholder, ``<id:1>`` for the first id that came up; everything else is compared to the
byte. An exchange without an answer is recorded at its first run; no run ever changes one that has
an answer.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.test import Client

# A header is part of the contract once it is here. Others may come and go.
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
    """The placeholders of a story, with what they stand for in this run."""

    values: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """Put placeholders in the place of what differs from run to run."""
        return _VARIABLE.sub(self._placeholder, text)

    def fill(self, text: str) -> str:
        """Put what they stand for in the place of placeholders."""
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
    """Send every request of a story; compare each answer, or record it where there is none."""
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
    # The body first: the lowest numbers are for what a story goes on with.
    body = names.hide(response.content.decode())
    headers = {name: response[name] for name in HEADERS if name in response}
    return {
        "status": response.status_code,
        "headers": {name: names.hide(value) for name, value in headers.items()},
        "body": body,
    }
