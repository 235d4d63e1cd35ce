"""Every problem that the API can return, with its status, meaning and remedy."""

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Annotated, NamedTuple, NotRequired, TypedDict

from django.urls import reverse
from rest_framework.exceptions import APIException

from audit.installation.settings import countersign
from audit.messages import exceptions
from audit.messages.exceptions import CommandError
from audit.rest.references import AbsoluteAddress, Uuid

_STATUS = {
    exceptions.Invalid: HTTPStatus.BAD_REQUEST,
    exceptions.Forbidden: HTTPStatus.FORBIDDEN,
    exceptions.NotFound: HTTPStatus.NOT_FOUND,
    exceptions.Unregistered: HTTPStatus.NOT_FOUND,
    exceptions.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    exceptions.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    exceptions.Refused: HTTPStatus.CONFLICT,
    exceptions.Crashed: HTTPStatus.INTERNAL_SERVER_ERROR,
    exceptions.Failed: HTTPStatus.SERVICE_UNAVAILABLE,
    CommandError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class FieldProblem(TypedDict):
    """An error in one field of the request."""

    pointer: NotRequired[Annotated[str, "The field in the body (RFC 6901)."]]
    parameter: NotRequired[Annotated[str, "The URL parameter."]]
    header: NotRequired[str]
    code: str
    detail: str


class ProblemDetails(TypedDict):
    """The error of a request (RFC 9457)."""

    type: Annotated[AbsoluteAddress, "A page that explains the error."]
    title: str
    status: int
    detail: str
    code: Annotated[str, "Stable; new ones may be added. The page that type names explains it."]
    request_id: Annotated[str, "The value of X-Request-Id, also logged."]
    command_id: NotRequired[Uuid]
    errors: NotRequired[list[FieldProblem]]
    last_event_id: NotRequired[
        Annotated[Uuid | None, "With `log_rewound`: the last event to keep; null if there is none."]
    ]
    next: NotRequired[Annotated[str, "With `log_rewound`: where to continue."]]


class LegacyProblem(TypedDict):
    """The error of a request, in the format of version 1."""

    detail: str
    code: str
    errors: NotRequired[dict[str, str]]


class Cause(NamedTuple):
    """One error that a problem's code stands for."""

    code: str
    status: HTTPStatus
    meaning: str
    remedy: str


class ProblemPage(NamedTuple):
    """The documentation of one problem code."""

    code: str
    title: str
    path: str
    causes: list[Cause]


# Errors that the web server raises before, or instead of, the application.


class BodyTimeout(APIException):
    """The request body did not arrive in time."""

    status_code = HTTPStatus.REQUEST_TIMEOUT
    default_detail = "The body did not arrive in time. Nothing was changed."
    default_code = "body_timeout"
    remedy = "Send the request again, with its whole body at once."


class Overloaded(APIException):
    """The server is handling as many requests as it can."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The server is handling as many requests as it can."
    default_code = "overloaded"
    remedy = "Try again after Retry-After seconds."
    wait = 1


class NotReady(APIException):
    """The database cannot be written to, or lacks migrations."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "not_ready"
    remedy = "Start the database, or run manage.py migrate; the detail says which."
    wait = 1


# Errors that the framework raises before our code runs.
_OF_THE_FRAMEWORK = (
    Cause(
        "parse_error",
        HTTPStatus.BAD_REQUEST,
        "The request body is not readable JSON.",
        "Send one JSON value in UTF-8, without duplicate names in objects.",
    ),
    Cause(
        "bad_request",
        HTTPStatus.BAD_REQUEST,
        "The request is malformed, for example its URL or one of its headers.",
        "Fix the request: sent unchanged, it will fail again.",
    ),
    Cause(
        "unauthenticated",
        HTTPStatus.UNAUTHORIZED,
        "The request has no valid credentials. For security, no details are given.",
        "Send “Authorization: Bearer” and the secret of a key that is enabled and has not expired.",
    ),
    Cause(
        "permission_denied",
        HTTPStatus.FORBIDDEN,
        "The request has a session but no valid CSRF token.",
        "Send the CSRF token of the session in X-CSRFToken, and the Referer over HTTPS.",
    ),
    Cause(
        "not_found",
        HTTPStatus.NOT_FOUND,
        "Nothing exists at this URL, or you do not have access to it.",
        "Check the URL against the documentation: API URLs do not end with a slash.",
    ),
    Cause(
        "method_not_allowed",
        HTTPStatus.METHOD_NOT_ALLOWED,
        "This URL does not support this method.",
        "Use one of the methods in the Allow header of the response.",
    ),
    Cause(
        "not_acceptable",
        HTTPStatus.NOT_ACCEPTABLE,
        "The Accept header excludes JSON.",
        "Accept application/json, and application/problem+json for errors; or omit the header.",
    ),
    Cause(
        "unsupported_media_type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The Content-Type is not JSON in UTF-8.",
        "Send “Content-Type: application/json”, and the body in UTF-8.",
    ),
    Cause(
        "throttled",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests in a short time.",
        "Wait Retry-After seconds, then send fewer requests.",
    ),
    Cause(
        "error",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "An unexpected error occurred on our side.",
        "Try again later. If it persists, send us the request_id of the response.",
    ),
    Cause(
        "unavailable",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database is currently unavailable.",
        "Try again after Retry-After seconds.",
    ),
)


def path_of(code: str) -> str:
    """Return the path of a problem's page, which never changes."""
    return f"{_root()}/{code.replace('_', '-')}"


@cache
def _root() -> str:
    return reverse("countersign:errors")


def type_of(code: str) -> str:
    """Return the type of a problem: the absolute URL of its page."""
    return f"{countersign().base_url}{path_of(code)}"


def title_of(code: str) -> str:
    """Return the title of a problem: that of its class, else its code in words."""
    kinds = (vars(kind) for kind in exceptions.with_subclasses(CommandError) if kind.code == code)
    titles = (kind["title"] for kind in kinds if kind.get("title"))
    return next(titles, code.replace("_", " ").capitalize())


def status_of(kind: type[CommandError]) -> HTTPStatus:
    """Return the HTTP status for a class of errors."""
    return next(_STATUS[each] for each in kind.__mro__ if each in _STATUS)


def status_of_code(code: str) -> HTTPStatus:
    """Return the HTTP status for a recorded code; a refusal's if it is no longer known."""
    return next((each.status for each in _causes() if each.code == code), HTTPStatus.CONFLICT)


def pages() -> dict[str, ProblemPage]:
    """Return every problem's page, by code and sorted by it."""
    found: dict[str, ProblemPage] = {}
    for cause in sorted(_causes()):
        blank = ProblemPage(cause.code, title_of(cause.code), path_of(cause.code), [])
        found.setdefault(cause.code, blank).causes.append(cause)
    return found


def _causes() -> Iterator[Cause]:
    yield from _OF_THE_FRAMEWORK
    for kind in exceptions.with_subclasses(CommandError):
        yield Cause(kind.code, status_of(kind), _sentence(kind), kind.remedy)
    for error in exceptions.with_subclasses(APIException):
        # Only our own subclasses have a remedy.
        if remedy := getattr(error, "remedy", ""):
            status = HTTPStatus(error.status_code)
            yield Cause(str(error.default_code), status, _sentence(error), remedy)


def _sentence(kind: type[Exception]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]
