"""The one place where errors become HTTP: plain JSON for v1, problem details for v2."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.response import Response
from structlog.contextvars import get_contextvars

from audit.exceptions import (
    Cancelled,
    CommandError,
    Conflict,
    Crashed,
    Failed,
    FieldError,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
    PreconditionFailed,
    Refused,
    Unregistered,
)

PROBLEM = "application/problem+json"
_RETRY_AFTER_SECONDS = "1"
_STATUS = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Unregistered: HTTPStatus.NOT_FOUND,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    Conflict: HTTPStatus.CONFLICT,
    Cancelled: HTTPStatus.CONFLICT,
    Refused: HTTPStatus.CONFLICT,
    Crashed: HTTPStatus.INTERNAL_SERVER_ERROR,
    Failed: HTTPStatus.SERVICE_UNAVAILABLE,
    CommandError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
# One answer for every bad credential: what was wrong with it is in the log only.
_UNAUTHENTICATED = "No valid credentials came with this request."


class Problem:
    """An error as HTTP tells it, whatever raised it."""

    def __init__(self, error: Exception) -> None:
        self.errors: list[FieldError] = []
        self.headers: dict[str, str] = {}
        match error:
            case CommandError():
                self._take_command_error(error)
            case drf.NotAuthenticated() | drf.AuthenticationFailed():
                self._take(HTTPStatus.UNAUTHORIZED, "unauthenticated", _UNAUTHENTICATED)
                self.headers = {"WWW-Authenticate": "Bearer", "Vary": "Cookie"}
            case drf.APIException():
                self._take_api_exception(error)
            case Http404():
                self._take(HTTPStatus.NOT_FOUND, "not_found", "There is no such thing.")
            case PermissionDenied():
                self._take(HTTPStatus.FORBIDDEN, "forbidden", "You are not allowed to do this.")
            case _:
                message = "Something went wrong on our side."
                self._take(HTTPStatus.INTERNAL_SERVER_ERROR, "error", message)

    def plain(self) -> dict[str, Any]:
        """Write the body as v1 always did."""
        body: dict[str, Any] = {"detail": self.message, "code": self.code}
        if self.errors:
            body["errors"] = {error.field: error.message for error in self.errors}
        return body

    def details(self) -> dict[str, Any]:
        """Write the body as RFC 9457 has it."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.message,
            "code": self.code,
            "request_id": self._request_id(),
            "command_id": self.headers.get("Command-Id"),
        }
        if self.errors:
            body["errors"] = [
                {"pointer": f"/{error.field}", "code": error.code, "detail": error.message}
                for error in self.errors
            ]
        return {name: value for name, value in body.items() if value is not None}

    def _request_id(self) -> str | None:
        """Name the request, but not where every answer has to be alike to the byte."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return None
        request_id: str | None = get_contextvars().get("request_id")
        return request_id

    def _take(self, status: HTTPStatus, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message

    def _take_command_error(self, error: CommandError) -> None:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        self._take(status, error.code, error.message)
        if isinstance(error.__cause__, drf.APIException):
            cause = error.__cause__
            self.status, self.code = HTTPStatus(cause.status_code), str(cause.default_code)
        self.errors = list(error.errors)
        if error.command_id:
            self.headers["Command-Id"] = str(error.command_id)
        if isinstance(error, Failed):
            self.headers["Retry-After"] = _RETRY_AFTER_SECONDS

    def _take_api_exception(self, error: drf.APIException) -> None:
        status = HTTPStatus(error.status_code)
        self._take(status, str(error.default_code), str(error.default_detail))
        if isinstance(error, drf.ValidationError):
            self.errors = list(field_errors(error.detail))
            self.message = "; ".join(f"{e.field}: {e.message}" for e in self.errors)
        elif isinstance(error.detail, drf.ErrorDetail):
            self.message, self.code = str(error.detail), str(error.detail.code)
        wait = getattr(error, "wait", None)
        if wait:
            self.headers["Retry-After"] = str(int(wait))


def plain(error: Exception, context: dict[str, Any]) -> Response:
    """Answer as v1 always did: plain JSON, and none but the old status codes for bad input."""
    problem = Problem(error)
    if problem.status in (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ):
        problem.status = HTTPStatus.BAD_REQUEST
    return Response(problem.plain(), status=problem.status, headers=problem.headers)


def problem_details(error: Exception, context: dict[str, Any]) -> Response:
    """Answer with problem details."""
    problem = Problem(error)
    return Response(
        problem.details(),
        status=problem.status,
        headers=problem.headers,
        content_type=PROBLEM,
    )


def field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """Flatten what a serializer found wrong into one error a field, without any value."""
    match detail:
        case dict():
            for name, inner in detail.items():
                own = "" if name == "non_field_errors" else f"{path}/{name}".lstrip("/")
                yield from field_errors(inner, own or path)
        case list():
            for place, inner in enumerate(detail):
                is_message = isinstance(inner, drf.ErrorDetail)
                yield from field_errors(inner, path if is_message else f"{path}/{place}")
        case _:
            yield FieldError(path, getattr(detail, "code", "invalid"), str(detail))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for addresses that are none: JSON below /api/, otherwise a page."""
    if request.path.startswith("/api/"):
        return _json(request, Http404())
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for what nobody foresaw, and tell nothing of it."""
    if request.path.startswith("/api/"):
        return _json(request, RuntimeError())
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for requests that Django itself turns down."""
    if request.path.startswith("/api/"):
        return _json(request, drf.ParseError("The request is malformed."))
    return defaults.bad_request(request, exception)


def _json(request: HttpRequest, error: Exception) -> HttpResponse:
    problem = Problem(error)
    if request.path.startswith("/api/v1/"):
        return JsonResponse(problem.plain(), status=problem.status)
    body = problem.details()
    return JsonResponse(body, status=problem.status, content_type=PROBLEM)
