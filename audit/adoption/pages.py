"""Requests to views of plain Django as commands: function views, and pages of the admin."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from audit.adoption import bodies
from audit.adoption.commands import RefusedByView, SentRequest
from audit.adoption.recording import recorded
from audit.adoption.sending import Sending, checked_key, reason_of, repeat_of, send, status_of
from audit.entry.requests import context_of
from audit.messages.exceptions import CommandError, Failed
from audit.messages.outcomes import Completed, Postponed
from audit.rest import resources
from audit.rest.viewsets import outcomes

_CSRF = "csrfmiddlewaretoken"
_STATUS = (
    (Http404, HTTPStatus.NOT_FOUND),
    (PermissionDenied, HTTPStatus.FORBIDDEN),
    (SuspiciousOperation, HTTPStatus.BAD_REQUEST),
    (BadRequest, HTTPStatus.BAD_REQUEST),
)


@dataclass(kw_only=True)
class Page:
    """A view of plain Django as a command, and the responses that take the place of the view's."""

    command_class: type[SentRequest]
    run: Callable[[], HttpResponseBase]
    arguments: Mapping[str, Any]
    channel: str
    tries_first: bool

    def send(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response of the view, run by the bus."""
        with _session_untouched(request):
            context = context_of(request, channel=self.channel, reason=reason_of(request))
        sending = Sending(run=lambda _: self._run(request), tries_first=self.tries_first)
        try:
            key = checked_key(request, self.command_class, context=context)
            context.idempotency_key = key
            data = _data(request)
            command = recorded(self.command_class, request, data, arguments=self.arguments, by="pk")
            outcome = send(sending, command, context=context)
        except CommandError as error:
            return self._unsuccessful(request, error)
        response: HttpResponseBase | None
        if isinstance(outcome, Postponed):
            response = self.held(request, outcome)
        elif outcome.is_repeat:
            response = self.repeated(request, outcome)
        else:
            response = sending.response
        return _with_headers(response, outcomes.headers(outcome))

    def held(self, request: HttpRequest, outcome: Postponed) -> HttpResponseBase:
        """Return the response to a request that is held."""
        return JsonResponse(resources.postponed(outcome), status=HTTPStatus.ACCEPTED)

    def repeated(self, request: HttpRequest, outcome: Completed) -> HttpResponseBase:
        """Return the response to the repeat of a request that has succeeded."""
        return JsonResponse(repeat_of(outcome))

    def refused(self, request: HttpRequest, error: CommandError) -> HttpResponseBase:
        """Return the response to a request that the bus refused."""
        told = {"detail": error.message, "code": error.code}
        return JsonResponse(told, status=status_of(error))

    def _unsuccessful(self, request: HttpRequest, error: CommandError) -> HttpResponseBase:
        """Return the view's response; raise what it raised; else the refusal of the bus."""
        response = error.response if isinstance(error, RefusedByView) else None
        if response is None and error.__cause__ is not None and _is_of_view(error):
            raise error.__cause__
        if response is None:
            response = self.refused(request, error)
        return _with_headers(response, outcomes.identifying(error))

    def _run(self, request: HttpRequest) -> HttpResponseBase:
        bodies.rewind(request)
        try:
            return self.run()
        except tuple(kind for kind, _ in _STATUS) as error:
            status = next(status for kind, status in _STATUS if isinstance(error, kind))
            raise RefusedByView.with_status(status) from error


@contextmanager
def _session_untouched(request: HttpRequest) -> Iterator[None]:
    """Leave it to the view whether its response varies with the cookie of the session."""
    session: Any = getattr(request, "session", None)
    was_accessed = session is None or session.accessed
    yield
    if was_accessed or not session.accessed:
        return
    user: Any = request.user
    session.accessed = False

    def accessed() -> Any:
        session.accessed = True
        return user

    request.user = SimpleLazyObject(accessed)  # type: ignore[assignment]


def _is_of_view(error: CommandError) -> bool:
    return isinstance(error, Failed | RefusedByView)


def _with_headers(response: Any, headers: Mapping[str, str]) -> HttpResponseBase:
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response  # type: ignore[no-any-return]


def _data(request: HttpRequest) -> Any:
    """Return the parsed body of a request; its bytes, if it is neither a form nor JSON."""
    fields = {name: values for name, values in request.POST.lists() if name != _CSRF}
    if fields or request.FILES:
        plain = {name: bodies.only(values) for name, values in fields.items()}
        return plain | {name: bodies.only(files) for name, files in request.FILES.lists()}
    if request.content_type == "application/json":
        try:
            return json.loads(request.body or b"null")
        except ValueError:
            return request.body
    is_form = request.content_type in bodies.FORMS
    return None if is_form else request.body or None
