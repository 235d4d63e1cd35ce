"""Views that are functions, whose requests are commands."""

from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from audit.adoption import replaying
from audit.adoption.commands import SentRequest, ViewCommand
from audit.adoption.declaring import declare
from audit.adoption.pages import Page
from audit.adoption.views import CommandedView

_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class SentToFunction(SentRequest):
    """A request to a function view of plain Django, which may redirect after it has succeeded."""

    @classmethod
    def has_succeeded(cls, response: HttpResponseBase) -> bool:
        """Return True for a status of 2xx and 3xx."""
        return 200 <= response.status_code < 400  # noqa: PLR2004


def commanded(
    command: str | ViewCommand,
    *,
    methods: tuple[str, ...] = _UNSAFE,
    channel: str = "api",
    tries_first: bool = True,
) -> Callable[[Any], Any]:
    """Decorate a function view, or what ``as_view()`` returns, so that its requests are commands.

    It stands above `api_view`. The other parameters are those of `CommandedView`.

    :raises ImproperlyConfigured: if the view is asynchronous.
    """

    def decorate(view: Any) -> Any:
        if iscoroutinefunction(view):
            message = f"{view.__qualname__} is asynchronous; only synchronous views are commands"
            raise ImproperlyConfigured(message)
        kind = getattr(view, "cls", None)
        if kind is not None and issubclass(kind, APIView):
            options = {"channel": channel, "tries_first": tries_first}
            commands = {method.lower(): command for method in methods}
            return _api_view(view, kind, {"commands": commands, **options})
        return _plain_view(
            view, command, methods, partial(Page, channel=channel, tries_first=tries_first)
        )

    return decorate


def _api_view(view: Any, kind: type[APIView], options: dict[str, Any]) -> Any:
    members = {"__module__": kind.__module__, "__doc__": kind.__doc__, **options}
    made: Any = type(kind.__name__, (CommandedView, kind), members)
    actions = getattr(view, "actions", None)
    return made.as_view(*filter(None, [actions]), **view.initkwargs)


def _plain_view(
    view: Any, command: str | ViewCommand, methods: tuple[str, ...], page: Callable[..., Page]
) -> Any:
    command_class = declare(command, kind=SentToFunction, view=view.__name__)

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in methods:
            return view(request, *args, **kwargs)  # type: ignore[no-any-return]
        if replaying.resent(command_class):
            replaying.begin()
            return view(request, *args, **kwargs)  # type: ignore[no-any-return]
        run = partial(view, request, *args, **kwargs)
        return page(command_class=command_class, run=run, arguments=kwargs).send(request)

    vars(wrapper)["command_of"] = lambda method: command_class if method in methods else None
    return transaction.non_atomic_requests(wrapper)
