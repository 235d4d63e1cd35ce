"""Responses that the server gives itself, without the application: refusals, as problems."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from django.http import HttpResponse
from structlog.contextvars import bound_contextvars

from audit.entry.requests import request_id_from
from audit.rest.exception_handlers import response_to

logger = structlog.get_logger(__name__)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """A whole response."""

    status: int
    headers: Headers
    body: bytes

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def success(scope: Message) -> Answer:
    """Return the response to a probe that succeeded."""
    return _answer(HttpResponse("ok\n", content_type="text/plain"), request_id=_request_id(scope))


def refusal(scope: Message, error: BaseException) -> Answer:
    """Return the problem for an error, and log it."""
    request_id = _request_id(scope)
    with bound_contextvars(request_id=request_id):
        response = response_to(scope["path"], error, request_id=request_id)
        is_ours = response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        logger.log(
            logging.ERROR if is_ours else logging.WARNING,
            "request_refused",
            code=response.status_code,
            request=f"{scope['method']} {scope['path']}",
            exc_info=error if is_ours else None,
        )
    return _answer(response, request_id=request_id)


def encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return the headers of a WSGI response as bytes."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _answer(response: HttpResponse, *, request_id: str) -> Answer:
    """Return a response that ends the connection: an unread body is not the next request."""
    response["X-Request-Id"] = request_id
    response["Cache-Control"] = "no-store"
    response["Connection"] = "close"
    response["Content-Length"] = str(len(response.content))
    return Answer(response.status_code, encoded(response.items()), response.content)


def _request_id(scope: Message) -> str:
    given = dict(scope["headers"]).get(b"x-request-id", b"")
    return request_id_from(given.decode("latin-1"))
