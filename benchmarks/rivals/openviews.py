"""Views of ours without authentication, to measure its cost."""

from typing import Any

from django.urls import URLPattern, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.rest.keys import ApiKeyViewSet
from audit.actors.actors import SYSTEM, Actor


class OpenKeyViewSet(ApiKeyViewSet):
    """Keys, without authentication."""

    authentication_classes = ()
    permission_classes = ()

    @property
    def actor(self) -> Actor:
        """Authenticate every caller as the system."""
        return SYSTEM


class Nothing(APIView):
    """An empty response, for callers with a key."""

    def get(self, request: Request) -> Response:
        return Response({})


class OpenNothing(Nothing):
    """An empty response, for every caller."""

    authentication_classes: Any = ()
    permission_classes: Any = ()


def routes() -> list[URLPattern]:
    """Route them."""
    read_key = OpenKeyViewSet.as_view({"get": "retrieve"})
    return [
        path("open/api-keys/<uuid:api_key_id>", read_key),
        path("closed/nothing", Nothing.as_view()),
        path("open/nothing", OpenNothing.as_view()),
    ]
