"""Deprecation headers of version 1: when it ends, and how to migrate."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils.http import http_date

#: The release date of version 2.
DEPRECATED_ON = date(2026, 11, 23)
MIGRATION_PAGE = "docs/from-v1-to-v2.md"


class VersionOneMiddleware:
    """Middleware that adds the headers of RFC 9745 and RFC 8594 to responses of version 1."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        page = f'</{MIGRATION_PAGE}>; rel="deprecation"; type="text/markdown"'
        self._headers = {
            "Deprecation": f"@{_timestamp(DEPRECATED_ON)}",
            "Sunset": http_date(_timestamp(settings.V1_SUNSET)),
            "Link": f'{page}, </api/v2/docs>; rel="successor-version"',
        }

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/api/v1/"):
            for name, value in self._headers.items():
                response[name] = value
        return response


def migration_page(request: HttpRequest) -> FileResponse:
    """Return the page that the headers link to, as text."""
    page = (settings.BASE_DIR / MIGRATION_PAGE).open("rb")
    return FileResponse(page, content_type="text/markdown; charset=utf-8")


def _timestamp(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
