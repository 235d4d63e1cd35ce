"""Refusal of API requests with credentials over plain HTTP."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apikeys.authentication.bearer import PlainHttp
from audit.rest.exception_handlers import for_api


def refuse_credentials(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse credentials over plain HTTP below /api/, where Django would redirect the request.

    A client that follows redirects would go on to send its credentials in the clear, unnoticed.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        is_plain = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        refusal = for_api(request, PlainHttp()) if is_plain and _has_credentials(request) else None
        return refusal or get_response(request)

    return respond


def _has_credentials(request: HttpRequest) -> bool:
    return "Authorization" in request.headers or settings.SESSION_COOKIE_NAME in request.COOKIES
