"""Error pages within the site's frame; below /api/, the API's responses."""

import sys
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views import defaults
from django.views.decorators.csrf import requires_csrf_token

from audit.entry.requests import request_id_of
from audit.rest.exception_handlers import Problem, for_api, is_of_api, response_of


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response for requests that Django itself refuses."""
    return for_api(request, exception) or _page(request, HTTPStatus.BAD_REQUEST)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the page for a form without a valid CSRF token."""
    return _page(request, HTTPStatus.FORBIDDEN, template="403_csrf.html")


@requires_csrf_token
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the 404 response for an unknown URL: JSON below /api/, otherwise a page."""
    return for_api(request, Http404()) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the response for an outage or an unexpected error, without details of it."""
    # Django calls this in the except block of the error.
    request_id = request_id_of(request)
    problem = Problem(sys.exception(), request_id=request_id)
    if problem.status != HTTPStatus.SERVICE_UNAVAILABLE:
        problem = Problem(None, request_id=request_id)
    if is_of_api(request):
        return response_of(problem, path=request.path)
    return _page_without_queries(request, problem.status, headers=problem.headers)


def method_not_allowed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return a page in place of Django's empty response; that of an API has content already."""
    if is_of_api(request) or getattr(response, "content", None):
        return response
    page = _page(request, HTTPStatus.METHOD_NOT_ALLOWED)
    page.headers["Allow"] = response.headers["Allow"]
    return page


def _page(request: HttpRequest, status: HTTPStatus, *, template: str = "") -> HttpResponse:
    return render(request, template or f"{status.value}.html", status=status)


def _page_without_queries(
    request: HttpRequest, status: HTTPStatus, *, headers: dict[str, str]
) -> HttpResponse:
    """Return a page that needs no database: the user is known only if it was read before."""
    context: dict[str, Any] = {
        "csrf_token": get_token(request),
        "request_id": request_id_of(request),
        "user": vars(request).get("_cached_user"),
    }
    page = render_to_string(f"{status.value}.html", context)
    return HttpResponse(page, status=status, headers=headers)
