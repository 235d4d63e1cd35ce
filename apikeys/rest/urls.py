"""URLs of API keys. No URL of the API ends in a slash."""

from django.urls import URLPattern, path

from apikeys.rest.keys import ApiKeyViewSet
from apikeys.rest.legacy import LegacyApiKeyViewSet
from apikeys.rest.verification import VerificationViewSet
from audit.rest import CommandViewSet

# Version 1 knows ids in lower case only.
_ITEMS = {"v1": "api-keys/<uuid:api_key_id>", "v2": "api-keys/<any_uuid:api_key_id>"}


def _routes(viewset: type[CommandViewSet], version: str) -> list[URLPattern]:
    item = viewset.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})
    where = _ITEMS[version]
    return [
        path(
            "api-keys", viewset.as_view({"get": "list", "post": "create"}), name=f"{version}-keys"
        ),
        path(where, item, name=f"{version}-key"),
        path(f"{where}/enable", viewset.as_view({"post": "enable"}), name=f"{version}-enable"),
        path(f"{where}/disable", viewset.as_view({"post": "disable"}), name=f"{version}-disable"),
    ]


v1 = _routes(LegacyApiKeyViewSet, "v1")
v2 = [
    *_routes(ApiKeyViewSet, "v2"),
    path("api-keys/verify", VerificationViewSet.as_view({"post": "create"}), name="v2-verify"),
    path(f"{_ITEMS['v2']}/rotate", ApiKeyViewSet.as_view({"post": "rotate"}), name="v2-rotate"),
    path(f"{_ITEMS['v2']}/secret", ApiKeyViewSet.as_view({"post": "pick_up"}), name="v2-secret"),
]
