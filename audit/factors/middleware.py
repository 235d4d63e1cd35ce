"""The middleware that treats a session without a required second factor as not signed in."""

from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from audit.factors.requirement import is_on, verified_user


class SecondFactorMiddleware:
    """Replace the user of the request; it stands directly after Django's AuthenticationMiddleware.

    API keys are unaffected: they do not come with a session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_on():
            # As Django's own middleware does.
            vars(request)["user"] = SimpleLazyObject(partial(verified_user, request))
            vars(request)["auser"] = partial(_verified_user, request)
        return self._get_response(request)


async def _verified_user(request: HttpRequest) -> Any:
    return await sync_to_async(verified_user)(request)
