"""The API reference: the OpenAPI document, and the page that shows it."""

from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from audit.rest.openapi.operations import documented
from audit.rest.viewsets.actors import ActorViewSet

_DOCUMENT = "docs/openapi.json"
_FIVE_MINUTES = "public, max-age=300"


class ReferenceViewSet(ActorViewSet):
    """The OpenAPI document, for everyone."""

    tag = "reference"
    authentication_classes = ()
    permission_classes = ()

    @documented(
        "retrieve_openapi_document",
        gives=dict[str, Any],
        always=("Cache-Control",),
        needs_caller=False,
    )
    def retrieve(self, request: Request) -> HttpResponse:
        """Return this document.

        It equals the file in the repository; a test compares them.
        """
        content = (settings.BASE_DIR / _DOCUMENT).read_bytes()
        headers = {"Cache-Control": _FIVE_MINUTES}
        return HttpResponse(content, content_type="application/json", headers=headers)


@require_safe
@csp_replace({"style-src": [SELF], "img-src": [SELF, "data:"]})
def reference(request: HttpRequest) -> HttpResponse:
    """Show the document with Swagger UI, served from local files."""
    return render(request, "reference.html")
