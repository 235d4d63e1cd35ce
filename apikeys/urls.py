"""Where API keys are found. No address of the API ends in a slash."""

from django.urls import URLPattern, path

from apikeys.viewsets import ApiKeyViewSet, LegacyApiKeyViewSet


def _routes(viewset: type[ApiKeyViewSet], version: str) -> list[URLPattern]:
    item = "api-keys/<uuid:api_key_id>"
    return [
        path(
            "api-keys", viewset.as_view({"get": "list", "post": "create"}), name=f"{version}-keys"
        ),
        path(item, viewset.as_view({"get": "retrieve"}), name=f"{version}-key"),
        path(f"{item}/enable", viewset.as_view({"post": "enable"}), name=f"{version}-enable"),
        path(f"{item}/disable", viewset.as_view({"post": "disable"}), name=f"{version}-disable"),
    ]


v1 = _routes(LegacyApiKeyViewSet, "v1")
v2 = _routes(ApiKeyViewSet, "v2")
