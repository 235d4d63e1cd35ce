"""Rate limit headers on every response to a key."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit.domain import Quota

_KEPT_AS = "_countersign_rate_limit"


def remember(request: HttpRequest, quota: Quota | None) -> None:
    """Store the quota on the request, for the headers of its response."""
    vars(request)[_KEPT_AS] = quota


def rate_limit_headers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Add the rate limit headers to every response to a key, whatever its status."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        quota: Quota | None = vars(request).get(_KEPT_AS)
        if quota:
            for name, value in quota.headers().items():
                response.headers[name] = value
        return response

    return respond
