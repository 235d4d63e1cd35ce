"""The headers that requests may bring and answers carry."""

from collections.abc import Collection

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from audit.rest.openapi.components import shared
from audit.rest.openapi.operations import Documentation
from audit.rest.openapi.shapes import Schema

_TEXT: Schema = {"type": "string"}
_UUID: Schema = {"type": "string", "format": "uuid"}

_OF_REQUESTS: dict[str, tuple[str, Schema]] = {
    "X-Request-Id": ("Your own id of the request: it goes on record, cut to 200.", _TEXT),
    "traceparent": ("The trace that the request belongs to (W3C Trace Context).", _TEXT),
    "Idempotency-Key": (
        "Send a new one with each new request: a repeat under the same key changes nothing more.",
        _TEXT | {"pattern": r"^[!-+\--~]{1,255}$"},
    ),
    "If-Match": (
        "The ETag of what you read: if it has changed since, nothing is done (412).",
        _TEXT | {"pattern": r'^(\*|"[0-9]{1,18}")$'},
    ),
    "If-None-Match": (
        "ETags of what you have: if it is still the same, it is not sent again (304).",
        _TEXT,
    ),
    "Audit-Reason": ("Why you do this, if the body does not say it.", _TEXT),
}
ANSWER_HEADERS: dict[str, tuple[str, Schema]] = {
    "Deprecation": ("Since when this version is to be left (RFC 9745).", _TEXT),
    "Link": ("How to move on, and what to.", _TEXT),
    "RateLimit": ("How many more requests may come, and when the count begins anew.", _TEXT),
    "RateLimit-Policy": ("How many requests may come in how many seconds.", _TEXT),
    "Sunset": ("When this version ends (RFC 8594).", _TEXT),
    "Cache-Control": ("Whether the answer may be kept.", _TEXT),
    "Command-Id": ("Names the command that the request became.", _UUID),
    "ETag": ("Names this state of what is shown.", _TEXT | {"pattern": '^"[^"]+"$'}),
    "Idempotency-Replayed": (
        "Says that an earlier request under this Idempotency-Key did the work.",
        _TEXT | {"const": "true"},
    ),
    "Location": ("Where the status of the command is found.", _TEXT | {"format": "uri-reference"}),
    "Retry-After": ("Seconds to wait before you try again.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("How to say who calls.", _TEXT | {"const": "Bearer"}),
}
_OF_COMMANDS = ("Idempotency-Key", "If-Match", "Audit-Reason")


def request_headers(registry: ComponentRegistry, documentation: Documentation) -> list[Schema]:
    """Refer to the parameters for the headers that an operation takes."""
    names = ["X-Request-Id", "traceparent"]
    names += _OF_COMMANDS if documentation.is_command else ()
    names += ["If-None-Match"] if documentation.is_conditional else ()
    return [_request_header(registry, name) for name in names]


def answer_headers(
    registry: ComponentRegistry, *, always: Collection[str], sometimes: Collection[str]
) -> Schema:
    """Refer to the headers of an answer, of which some are on every answer of the kind."""
    return {
        name: _answer_header(registry, name, is_required=name in always)
        for name in sorted({*always, *sometimes})
    }


def _request_header(registry: ComponentRegistry, name: str) -> Schema:
    description, schema = _OF_REQUESTS[name]
    parameter = {"name": name, "in": "header", "description": description, "schema": schema}
    return shared(registry, ResolvedComponent.PARAMETER, name, parameter)


def _answer_header(registry: ComponentRegistry, name: str, *, is_required: bool) -> Schema:
    description, schema = ANSWER_HEADERS[name]
    header: Schema = {"description": description, "schema": schema}
    if is_required:
        name, header = f"{name}-Always", header | {"required": True}
    return shared(registry, ResolvedComponent.HEADER, name, header)
