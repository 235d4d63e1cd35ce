"""Sending an approved request again: to the same view, as its requester."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from django.contrib.auth import get_user_model
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, resolve
from django.utils import timezone, translation
from django.utils.datastructures import MultiValueDict
from django.utils.module_loading import import_string

from audit.adoption import bodies
from audit.adoption.commands import SentRequest
from audit.bus.context import Context
from audit.installation.settings import countersign
from audit.messages.exceptions import Conflict


class RouteChanged(Conflict):
    """The URL of the request no longer leads to the same command."""

    remedy = "Send the request again to its new URL; deny or withdraw the old one."


_resent: ContextVar[SentRequest | None] = ContextVar("audit_resent", default=None)


def resent(command_class: type[SentRequest] | None) -> SentRequest | None:
    """Return the approved request that is being sent again, if it is such a command."""
    command = _resent.get()
    return command if command is not None and type(command) is command_class else None


def begin() -> None:
    """Note that the view has started: further requests inside it are separate commands."""
    _resent.set(None)


def response(command: SentRequest, context: Context) -> HttpResponseBase:
    """Return the response of the view to an approved request.

    :raises RouteChanged: if its URL no longer leads to the same command.
    """
    match = route(command)
    request = _request(command, context)
    request.resolver_match = match
    token = _resent.set(command)
    try:
        with _own_locale():
            return _handler(match)(request)
    finally:
        _resent.reset(token)


def _handler(match: ResolverMatch) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return the view, inside the middleware of REPLAY_MIDDLEWARE."""
    hooks: list[Any] = []

    def handler(request: HttpRequest) -> HttpResponseBase:
        for hook in hooks:
            if response := hook(request, match.func, match.args, match.kwargs):
                return response  # type: ignore[no-any-return]
        return match.func(request, *match.args, **match.kwargs)  # type: ignore[no-any-return]

    chain: Any = handler
    for name in reversed(countersign().replay_middleware):
        chain = import_string(name)(chain)
        if hook := getattr(chain, "process_view", None):
            hooks.insert(0, hook)
    return chain  # type: ignore[no-any-return]


@contextmanager
def _own_locale() -> Iterator[None]:
    """Restore the language and the time zone of the approver, which middleware may change."""
    zone, language = timezone.get_current_timezone(), translation.get_language()
    with timezone.override(zone), translation.override(language):
        yield


def route(command: SentRequest) -> ResolverMatch:
    """Return the route of a request.

    :raises RouteChanged: if it no longer leads to the same command.
    """
    try:
        match = resolve(unquote(urlsplit(command.path).path))
    except Http404:
        match = None
    if match is None or _command_class(match.func, command.method) is not type(command):
        message = f"{command.method} {command.path} no longer leads to {command.message_type}."
        raise RouteChanged(message)
    return match


def obstacle(command: SentRequest) -> str:
    """Return why the request could not be sent again now; an empty string if it could be."""
    try:
        route(command)
    except RouteChanged as error:
        return error.message
    return ""


def parsed(command: SentRequest) -> Any:
    """Return the body of a request as it was parsed: of a form, what Django makes of one."""
    return bodies.form(command.body) if _is_form(command) else command.as_json()["body"]


def _is_form(command: SentRequest) -> bool:
    return command.content_type in bodies.FORMS


def _command_class(function: Any, method: str) -> type[SentRequest] | None:
    """Return the class of commands that requests with this method to a view are."""
    if admin := getattr(function, "model_admin", None):
        function, method = admin, function.__name__
    command_of = getattr(function, "command_of", None)
    found: type[SentRequest] | None = command_of(method) if command_of else None
    return found


def _request(command: SentRequest, context: Context) -> WSGIRequest:
    form = bodies.form(command.body if _is_form(command) else {})
    raw = form.urlencode() if _is_form(command) else _json(command)
    request = WSGIRequest(_environ(command, context, raw.encode()))
    vars(request)["_post"], vars(request)["_files"] = form, MultiValueDict()
    requester = get_user_model()._default_manager.get(pk=context.actor.person_id)
    request.user = requester
    # For REST framework: instead of authentication, which was done when the request was sent.
    vars(request)["_force_auth_user"] = requester
    is_user = context.actor.kind == "user"
    vars(request)["_force_auth_token"] = None if is_user else context.actor
    vars(request)["_dont_enforce_csrf_checks"] = True
    request.session = SessionBase()
    vars(request)["_messages"] = CookieStorage(request)
    return request


def _json(command: SentRequest) -> str:
    return "" if command.body is None else json.dumps(command.as_json()["body"])


def _environ(command: SentRequest, context: Context, raw: bytes) -> dict[str, Any]:
    origin, target = urlsplit(command.origin), urlsplit(command.path)
    return {
        "REQUEST_METHOD": command.method,
        "PATH_INFO": unquote_to_bytes(target.path).decode("latin-1"),
        "QUERY_STRING": target.query,
        "CONTENT_TYPE": command.content_type,
        "CONTENT_LENGTH": str(len(raw)),
        "SERVER_NAME": origin.hostname or "localhost",
        "SERVER_PORT": str(origin.port or (443 if origin.scheme == "https" else 80)),
        "HTTP_HOST": origin.netloc,
        "HTTP_USER_AGENT": context.request.user_agent,
        "REMOTE_ADDR": context.request.client_address or "",
        "wsgi.url_scheme": origin.scheme or "http",
        "wsgi.input": BytesIO(raw),
    }
