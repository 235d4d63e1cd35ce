"""API keys over HTTP."""

from apikeys.rest.keys import ApiKeyViewSet
from apikeys.rest.legacy import LegacyApiKeyViewSet

__all__ = ["ApiKeyViewSet", "LegacyApiKeyViewSet"]
