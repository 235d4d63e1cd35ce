"""Public pages that document the types of problems."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.rest import problems


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show every problem that the API can return."""
    return render(request, "audit/errors.html", {"pages": problems.pages().values()})


@require_safe
def error(request: HttpRequest, name: str) -> HttpResponse:
    """Show the meaning of a problem and its remedy."""
    page = problems.pages().get(name.replace("-", "_"))
    if page is None or page.path != request.path:
        raise Http404
    return render(request, "audit/error.html", {"page": page, "title": page.title})
