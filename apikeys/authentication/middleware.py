"""Rate limit headers on every response to a key."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apikeys.authentication.rate_limits import Standing

_KEPT_AS = "_countersign_rate_limit"


def remember(request: HttpRequest, standing: Standing | None) -> None:
    """Store the standing on the request, for the headers of its response."""
    vars(request)[_KEPT_AS] = standing


def rate_limit_headers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Add the rate limit headers to every response to a key, whatever its status."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        standing: Standing | None = vars(request).get(_KEPT_AS)
        if standing:
            for name, value in standing.headers().items():
                response.headers[name] = value
        return response

    return respond
