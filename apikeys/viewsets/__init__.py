"""API keys over HTTP."""

from apikeys.viewsets.keys import ApiKeyViewSet
from apikeys.viewsets.legacy import LegacyApiKeyViewSet

__all__ = ["ApiKeyViewSet", "LegacyApiKeyViewSet"]
