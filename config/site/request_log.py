"""Request logging: one line per request, and the id of the request on its response and its lines.

It does what django-structlog does, in 30 instead of 160 µs: django-structlog works out the IP
address and the user twice, and also logs the start of each request.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from structlog.contextvars import bound_contextvars, get_contextvars

from apikeys.authentication.bearer import Principal
from audit.entry.requests import client_address, request_id_of

logger = structlog.get_logger(__name__)

# By the first digit of the status.
_BY_CLASS = {4: logger.warning, 5: logger.error}
# W3C Trace Context: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")


def log_requests(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Log each request with its path, and nothing else that the caller sent but its ids.

    It comes first of the middleware, so that every response has the id.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = request_id_of(request)
        # The bus sets the id of the command.
        known = {"request_id": request_id, "ip": client_address(request), "command_id": None}
        with bound_contextvars(**known):
            response = get_response(request)
            response.headers["X-Request-Id"] = request_id
            _log(request, response, seconds=time.perf_counter() - started)
        if response.streaming:
            streamed: Any = response
            streamed.streaming_content = _within(known, streamed.streaming_content)
        return response

    return respond


def _log(request: HttpRequest, response: HttpResponse, *, seconds: float) -> None:
    tell = _BY_CLASS.get(response.status_code // 100, logger.info)
    if tell == logger.info and request.path.startswith(settings.STATIC_URL):
        tell = logger.debug
    tell(
        "request_finished",
        code=response.status_code,
        request=f"{request.method} {request.path}",
        duration_ms=round(seconds * 1000, 1),
        **_callers(request),
        command_id=response.headers.get("Command-Id") or get_contextvars()["command_id"],
        trace_id=_trace_id(request),
        **({"dry_run": True} if "Dry-Run" in response.headers else {}),
    )


def _callers(request: HttpRequest) -> dict[str, Any]:
    """Return the ids of the key and the user, but never load one for this line."""
    caller = vars(request).get("user")
    if isinstance(caller, SimpleLazyObject):
        # Any other question to this object loads the user. This is where a loaded one is kept.
        caller = vars(request).get("_cached_user")
    if isinstance(caller, Principal):
        return {"key_id": caller.actor.id, "user_id": None}
    return {"key_id": None, "user_id": getattr(caller, "pk", None)}


def _trace_id(request: HttpRequest) -> str | None:
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return found[1] if found else None


def _within(known: dict[str, Any], chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks with the request's id bound, for log lines during streaming."""
    with bound_contextvars(**known):
        yield from chunks
