"""The problems that an operation can return, as the exception handlers format them."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.utils.module_loading import import_string
from rest_framework import exceptions as drf
from rest_framework.response import Response

from audit.actors.scopes import InsufficientScope
from audit.installation.settings import countersign
from audit.messages import exceptions
from audit.rest.openapi.operations import Documentation, raised_by_any_command
from audit.rest.parsers import BodyTooLarge, CompressedBody, LengthRequired

_SAMPLE_ID = "019f3e7a-5c1d-7b42-9d5e-8a1f0c6b2e94"
_OF_ANY = (SuspiciousOperation, drf.NotAcceptable, OperationalError, RuntimeError)
_OF_CALLERS = (drf.NotAuthenticated, exceptions.Forbidden, InsufficientScope)
_OF_BODIES = (BodyTooLarge, LengthRequired, drf.ParseError)
_OF_COMMANDS = (
    exceptions.Invalid,
    drf.PermissionDenied,
    exceptions.PreconditionFailed,
    exceptions.IdempotencyKeyReused,
    exceptions.SameAsEarlier,
    exceptions.Cancelled,
    exceptions.Crashed,
    exceptions.Failed,
    exceptions.TimedOut,
    exceptions.Deadlocked,
    exceptions.ConnectionLost,
    exceptions.OutcomeUnknown,
)


def problems(
    documentation: Documentation,
    *,
    view: Any,
    is_read: bool,
    has_body: bool,
    known: Collection[str],
) -> dict[int, list[Response]]:
    """Return the response for every problem of an operation, by status and sorted by code.

    ``known`` are the names of the parameters in the URL.
    """
    handler, kwargs = view.get_exception_handler(), dict.fromkeys(known, _SAMPLE_ID)
    answers: dict[tuple[int, str], Response] = {}
    names_one = bool(known)
    for error in _errors(
        documentation, view=view, is_read=is_read, has_body=has_body, names_one=names_one
    ):
        # Without a context, the handler does not log unexpected errors.
        context = (
            {"kwargs": kwargs, "view": view} if isinstance(error, exceptions.CommandError) else {}
        )
        answer = handler(error, context)
        answers.setdefault((answer.status_code, answer.data["code"]), answer)
    by_status: dict[int, list[Response]] = {}
    for status, code in sorted(answers):
        by_status.setdefault(status, []).append(answers[status, code])
    return by_status


def _errors(
    documentation: Documentation,
    *,
    view: Any,
    is_read: bool,
    has_body: bool,
    names_one: bool,
) -> Iterator[Exception]:
    kinds: list[type[Exception]] = [*_OF_ANY, *documentation.raises]
    if documentation.sends_any:
        kinds += raised_by_any_command()
    if documentation.needs_caller:
        kinds += [*_OF_CALLERS, *_declared_by(view.authentication_classes)]
    if names_one:
        kinds.append(exceptions.NotFound)
    if documentation.query or has_body:
        kinds.append(exceptions.Invalid)
    if is_read and view.is_conditional:
        kinds += [exceptions.Invalid, exceptions.PreconditionFailed]
    if documentation.is_command:
        middleware = map(import_string, countersign().middleware)
        kinds += [*_OF_COMMANDS, *_declared_by(middleware)]
    # Bodies of DELETE are read as well.
    if has_body or documentation.is_command:
        kinds += _OF_BODIES
        yield drf.UnsupportedMediaType("text/plain")
        if view.channel != "v1":
            yield CompressedBody()
    yield from (kind() for kind in kinds)


def _declared_by(sources: Iterable[Any]) -> Iterator[type[Exception]]:
    """Yield the errors that authentication classes or middleware of the bus declare."""
    for source in sources:
        yield from getattr(source, "refuses_with", ())
