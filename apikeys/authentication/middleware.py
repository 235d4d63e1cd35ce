"""What Django adds to every answer that a key gets: how it stands with its rate limit."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apikeys.authentication.rate_limits import Standing

_KEPT_AS = "_countersign_rate_limit"


def remember(request: HttpRequest, standing: Standing | None) -> None:
    """Keep on the request what its answer will tell of the limit."""
    vars(request)[_KEPT_AS] = standing


def rate_limit_headers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Tell the limit with every answer to a key, whatever the answer is."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        standing: Standing | None = vars(request).get(_KEPT_AS)
        if standing:
            for name, value in standing.headers().items():
                response.headers[name] = value
        return response

    return respond
