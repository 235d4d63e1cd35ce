"""Refusal of credentials that were sent to the API over plain HTTP."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

from audit.rest.exception_handlers import for_api


class PlainHttp(APIException):
    """The credentials were sent over plain HTTP, so others may have read them."""

    remedy = "Send requests to https://, and replace these credentials: rotate the key."

    status_code = HTTPStatus.FORBIDDEN
    default_code = "plain_http"
    default_detail = (
        "The credentials of this request were sent over plain HTTP. Nothing was done. "
        "Use https://, and rotate the key."
    )


def refuse_credentials(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse API requests with credentials over plain HTTP, where Django would redirect them.

    A client that follows a redirect would send its credentials in the clear each time, unnoticed.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure() and _has_credentials(request):
            refusal = for_api(request, PlainHttp())
            if refusal:
                return refusal
        return get_response(request)

    return respond


def _has_credentials(request: HttpRequest) -> bool:
    return "Authorization" in request.headers or settings.SESSION_COOKIE_NAME in request.COOKIES
