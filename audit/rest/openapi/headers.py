"""The headers of requests and responses, and components that several operations share."""

from collections.abc import Collection

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from audit.rest.openapi.operations import Documentation
from audit.rest.openapi.shapes import Schema

_TEXT: Schema = {"type": "string"}
_ETAGS = r'^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$'
_KEY = r'^([!#-+\--~][!-+\--~]{0,254}|"([ !#-[\]-~]|\\["\\]){1,255}")$'
_DATE = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"^{_DATE}[Tt]{_MINUTE}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]{_MINUTE})$"
_UUID: Schema = {"type": "string", "format": "uuid"}

_OF_REQUESTS: dict[str, tuple[str, Schema]] = {
    "X-Request-Id": (
        "Your own id for the request, of at most 200 visible ASCII characters.",
        _TEXT,
    ),
    "traceparent": ("The trace that the request belongs to (W3C Trace Context).", _TEXT),
    "Idempotency-Key": (
        "Use a new key for each new request: a repeat with the same key changes nothing more.",
        _TEXT | {"pattern": _KEY},
    ),
    "If-Match": (
        "The ETag that you read, or a list: if none is current, 412. Writes compare versions only.",
        _TEXT | {"pattern": _ETAGS},
    ),
    "If-None-Match": (
        "The ETags of your copies: if one is current, a read is 304 without a body, a write 412.",
        _TEXT | {"pattern": _ETAGS},
    ),
    "Audit-Reason": ("The reason, if the body has none.", _TEXT),
    "Execute-After": (
        "For a command that needs approval: it is not executed before this time, with an offset.",
        # Generated clients cannot send a date-time in a header.
        _TEXT | {"pattern": _TIME},
    ),
}
_OF_REQUESTS_OF_VERSION_ONE = {
    "Idempotency-Key": (
        "Use a new key for each new request: a repeat with the same key changes nothing more.",
        _TEXT | {"pattern": r"^[!-+\--~]{1,255}$"},
    ),
    "If-Match": (
        "The ETag of the resource that you read: if it has changed since, nothing is done (412).",
        _TEXT | {"pattern": r'^(\*|"[0-9]{1,18}")$'},
    ),
}
RESPONSE_HEADERS: dict[str, tuple[str, Schema]] = {
    "Deprecation": ("The date since which this version is deprecated (RFC 9745).", _TEXT),
    "Link": ("The migration guide and the successor version.", _TEXT),
    "RateLimit": ("The remaining requests, and the time until the limit resets.", _TEXT),
    "RateLimit-Policy": ("The allowed requests per number of seconds.", _TEXT),
    "Sunset": ("The date on which this version ends (RFC 8594).", _TEXT),
    "Accept-Encoding": ("The accepted content coding of bodies.", _TEXT | {"const": "identity"}),
    "Cache-Control": ("Caching of the response.", _TEXT),
    "Command-Id": ("The id of the request's command.", _UUID),
    "Dry-Run": ("Present if nothing was done, as requested.", _TEXT | {"const": "true"}),
    "ETag": (
        'The version of the resource, if it has one, and a digest of all that is shown: `"3-1f…"`.',
        _TEXT | {"pattern": '^"[0-9a-f-]+"$'},
    ),
    "Idempotency-Replayed": (
        "Present if an earlier request with this Idempotency-Key was executed.",
        _TEXT | {"const": "true"},
    ),
    "Location": (
        "The URL of what was created, or of the status of a held command.",
        _TEXT | {"format": "uri-reference"},
    ),
    "Retry-After": ("Seconds to wait before retrying.", {"type": "integer", "minimum": 0}),
    "X-Request-Id": (
        "The id of the request: the caller's if it was well-formed, otherwise a new one.",
        _TEXT,
    ),
    "WWW-Authenticate": ("The accepted authentication scheme.", _TEXT | {"const": "Bearer"}),
}
_OF_COMMANDS = ("Idempotency-Key", "If-Match", "Audit-Reason")
_OF_READS = ("If-Match", "If-None-Match")


def request_headers(
    registry: ComponentRegistry, documentation: Documentation, *, is_conditional: bool
) -> list[Schema]:
    """Return the header parameters of an operation."""
    names = ["X-Request-Id", "traceparent"]
    names += _OF_COMMANDS if documentation.is_command else ()
    names += ["Execute-After"] if documentation.is_command and is_conditional else ()
    names += [each for each in _OF_READS if is_conditional and each not in names]
    known = _OF_REQUESTS if is_conditional else _OF_REQUESTS | _OF_REQUESTS_OF_VERSION_ONE
    return [_request_header(registry, name, *known[name]) for name in names]


def response_headers(
    registry: ComponentRegistry, *, always: Collection[str], sometimes: Collection[str]
) -> Schema:
    """Return the headers of a response; those in ``always`` are required."""
    return {
        name: _response_header(registry, name, is_required=name in always)
        for name in sorted({*always, *sometimes})
    }


def shared(registry: ComponentRegistry, kind: str, name: str, content: Schema) -> Schema:
    """Return a reference to the component of this name, or the content if that differs from it."""
    component = ResolvedComponent(name, kind, content, object=dict)
    registry.register_on_missing(component)
    return dict(component.ref) if registry[component].schema == content else content


def _request_header(
    registry: ComponentRegistry, name: str, description: str, schema: Schema
) -> Schema:
    parameter = {"name": name, "in": "header", "description": description, "schema": schema}
    return shared(registry, ResolvedComponent.PARAMETER, name, parameter)


def _response_header(registry: ComponentRegistry, name: str, *, is_required: bool) -> Schema:
    description, schema = RESPONSE_HEADERS[name]
    header: Schema = {"description": description, "schema": schema}
    if is_required:
        name, header = f"{name}-Always", header | {"required": True}
    return shared(registry, ResolvedComponent.HEADER, name, header)
