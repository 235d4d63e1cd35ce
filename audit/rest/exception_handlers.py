"""Conversion of errors to HTTP responses: plain JSON for v1, problem details for v2."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf
from rest_framework.response import Response

from audit.bus.failures import is_read_only
from audit.entry.requests import request_id_of
from audit.messages.exceptions import CommandError, Failed, FieldError, Place, escaped, joined
from audit.messages.tracebacks import traceback_of
from audit.rest import problems
from audit.rest.parsers import BodyTooLarge
from audit.rest.problems import FieldProblem, LegacyProblem, ProblemDetails

logger = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"
_RETRY_AFTER_SECONDS = "1"
# One response for every invalid credential: only the log has the reason.
_UNAUTHENTICATED = "No valid credentials came with this request."
_MALFORMED = "The request is malformed."
_NOTHING = "Nothing exists at this URL, or you have no access to it."
_IN_VERSION_1 = {_NOTHING: "There is no such thing."}
_NOT_IN_VERSION_1 = (
    HTTPStatus.LENGTH_REQUIRED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


class Problem:
    """The status, code, message and headers of an error's response."""

    status: HTTPStatus
    code: str
    message: str

    def __init__(self, error: BaseException | None, *, request_id: str = "") -> None:
        self.request_id = request_id
        self.errors: list[FieldError] = []
        self.headers: dict[str, str] = {}
        self.extensions: dict[str, Any] = getattr(error, "extensions", {})
        match error:
            case CommandError():
                self._take_command_error(error)
            case drf.NotAuthenticated() | drf.AuthenticationFailed():
                self._take(HTTPStatus.UNAUTHORIZED, "unauthenticated", _UNAUTHENTICATED)
                self.headers = {"WWW-Authenticate": "Bearer", "Vary": "Cookie"}
            case drf.APIException():
                self._take_api_exception(error)
            case _:
                self._take_any(error)

    def plain(self) -> LegacyProblem:
        """Return the body in the format of version 1."""
        detail = _IN_VERSION_1.get(self.message, self.message)
        body: LegacyProblem = {"detail": detail, "code": self.code}
        if self.errors and self.message == joined(self.errors):
            # Also without a field, with its colon.
            body["detail"] = "; ".join(f"{each.field}: {each.message}" for each in self.errors)
        if self.errors:
            body["errors"] = {error.field: error.message for error in self.errors}
        return body

    def keep_to_version_1(self) -> None:
        """Replace a status that version 1 does not have."""
        if self.status in _NOT_IN_VERSION_1:
            self.status = HTTPStatus.BAD_REQUEST

    def details(self) -> ProblemDetails:
        """Return the body in the format of RFC 9457."""
        body: ProblemDetails = {
            "type": problems.type_of(self.code),
            "title": problems.title_of(self.code),
            "status": self.status.value,
            "detail": self.message,
            "code": self.code,
            "request_id": self.request_id,
        }
        if command_id := self.headers.get("Command-Id"):
            body["command_id"] = command_id
        if self.errors:
            body["errors"] = list(map(_field_problem, self.errors))
        return cast(ProblemDetails, body | self.extensions)

    def _take(self, status: HTTPStatus, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message

    def _take_command_error(self, error: CommandError) -> None:
        self._take(problems.status_of(type(error)), error.code, error.message)
        if isinstance(error.__cause__, drf.APIException):
            cause = error.__cause__
            self.status, self.code = HTTPStatus(cause.status_code), str(cause.default_code)
            self.headers |= getattr(cause, "headers", {})
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
            self.message = joined(self.errors)
        elif isinstance(error.detail, drf.ErrorDetail):
            self.message, self.code = str(error.detail), str(error.detail.code)
        self.headers |= getattr(error, "headers", {})
        wait = getattr(error, "wait", None)
        if wait:
            self.headers["Retry-After"] = str(int(wait))

    def _take_any(self, error: BaseException | None) -> None:
        match error:
            case Http404():
                self._take(HTTPStatus.NOT_FOUND, "not_found", _NOTHING)
            case PermissionDenied():
                self._take(HTTPStatus.FORBIDDEN, "forbidden", "You are not allowed to do this.")
            case RequestDataTooBig():
                self._take_api_exception(BodyTooLarge())
            case SuspiciousOperation() | UnreadablePostError() | MultiPartParserError():
                self._take(HTTPStatus.BAD_REQUEST, "bad_request", _MALFORMED)
            case _ if _is_outage(error):
                message = "The database is currently unavailable. Nothing was changed."
                self._take(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", message)
                self.headers["Retry-After"] = _RETRY_AFTER_SECONDS
            case _:
                message = "An unexpected error occurred on our side."
                self._take(HTTPStatus.INTERNAL_SERVER_ERROR, "error", message)


def plain(error: Exception, context: dict[str, Any]) -> Response:
    """Return plain JSON for version 1, with only its old status codes for invalid input."""
    problem = _problem_of(error, context)
    problem.keep_to_version_1()
    return Response(problem.plain(), status=problem.status, headers=problem.headers)


def problem_details(error: Exception, context: dict[str, Any]) -> Response:
    """Return problem details."""
    problem = _problem_of(error, context)
    if getattr(error, "is_repeat", False):
        problem.headers["Idempotency-Replayed"] = "true"
    return Response(
        problem.details(),
        status=problem.status,
        headers=problem.headers,
        content_type=PROBLEM,
    )


def field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """Yield one error per field from the errors of a serializer, without any value."""
    match detail:
        case dict():
            for name, inner in detail.items():
                own = "" if name == "non_field_errors" else _join(path, escaped(name))
                yield from field_errors(inner, own or path)
        case list():
            for place, inner in enumerate(detail):
                is_message = isinstance(inner, drf.ErrorDetail)
                yield from field_errors(inner, path if is_message else _join(path, str(place)))
        case _:
            yield FieldError(path, getattr(detail, "code", "invalid"), str(detail))


def _is_outage(error: BaseException | None) -> bool:
    """Return True if the database does not respond, or accepts no writes."""
    return isinstance(error, OperationalError | InterfaceError) or is_read_only(error)


def _problem_of(error: Exception, context: dict[str, Any]) -> Problem:
    """Build the problem for a view's error, and log the error if it is unexpected."""
    request = context.get("request")
    problem = Problem(error, request_id=request_id_of(request._request) if request else "")
    is_ours = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if request and is_ours and not isinstance(error, CommandError | drf.APIException):
        logger.error("request failed", traceback=traceback_of(error))
    return problem


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _field_problem(error: FieldError) -> FieldProblem:
    """Return the error with its place in the request: in a body, by an RFC 6901 pointer."""
    name, code, detail, place = error
    pointed = f"/{name}" if name and place is Place.BODY else name
    return cast(FieldProblem, {place.value: pointed, "code": code, "detail": detail})


def is_of_api(request: HttpRequest) -> bool:
    """Return True for a URL of the API, False for a page."""
    return request.path.startswith("/api/")


def for_api(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the response for a URL of the API; None for a page."""
    if not is_of_api(request):
        return None
    return response_to(request.path, error, request_id=request_id_of(request))


def response_to(path: str, error: BaseException, *, request_id: str) -> HttpResponse:
    """Return the response for an error outside a view, in the format of the path's version."""
    return response_of(Problem(error, request_id=request_id), path=path)


def response_of(problem: Problem, *, path: str) -> HttpResponse:
    """Return the response for a problem outside a view, in the format of the path's version."""
    if path.startswith("/api/v1/"):
        problem.keep_to_version_1()
        return JsonResponse(problem.plain(), status=problem.status, headers=problem.headers)
    body = problem.details()
    return JsonResponse(body, status=problem.status, headers=problem.headers, content_type=PROBLEM)
