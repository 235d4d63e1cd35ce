"""API keys over HTTP: the old contract, v1, and the one that replaces it, v2."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from apikeys.serializers import CreateApiKeyInput, api_key_as_json
from audit import exception_handlers, resources
from audit.exceptions import Forbidden
from audit.messages import Subject
from audit.models import StreamHead
from audit.outcomes import Completed, Postponed
from audit.viewsets import CommandViewSet, ExceptionHandler


class ApiKeyViewSet(CommandViewSet):
    """API keys, version 2."""

    def list(self, request: Request) -> Response:
        """List the caller's keys, newest first."""
        keys = self._visible().order_by("-created_at", "-pk")
        return Response(self.represent_list(self.represent_read(keys)))

    def retrieve(self, request: Request, api_key_id: UUID) -> Response:
        """Show one key. Its ETag goes into If-Match of a write that must not meet another one."""
        api_key = get_object_or_404(self._visible(), pk=api_key_id)
        head = StreamHead.objects.get(subject_type="api-key", subject_id=str(api_key_id))
        (shown,) = self.represent_read([api_key])
        return Response(shown, headers={"ETag": f'"{head.number}"'})

    def create(self, request: Request) -> Response:
        """Create a key and show its secret, this once."""
        return self.send(
            CreateApiKey,
            takes=CreateApiKeyInput,
            succeeds_with=status.HTTP_201_CREATED,
            customer_id=self._customer_id(),
            owner_id=int(self.actor.person_id),
        )

    def enable(self, request: Request, api_key_id: UUID) -> Response:
        """Let a key authenticate again."""
        return self.send(EnableApiKey, api_key_id=api_key_id)

    def disable(self, request: Request, api_key_id: UUID) -> Response:
        """Turn a key away from its next request on."""
        return self.send(DisableApiKey, api_key_id=api_key_id)

    def represent(self, completed: Completed) -> dict[str, Any]:
        """Present a key; after creating it, with the secret, which a repeat shows as null."""
        key = api_key_as_json(completed.result)
        return key | {"secret": completed.secret} if self.action == "create" else key

    def represent_read(self, api_keys: Iterable[ApiKey]) -> Sequence[dict[str, Any]]:
        """Present keys, each with what waits for approval on it."""
        subjects = {api_key: Subject("api-key", str(api_key.pk)) for api_key in api_keys}
        waiting = resources.pending_approvals(subjects.values())
        return [
            api_key_as_json(api_key) | {"pending_approvals": waiting[subject]}
            for api_key, subject in subjects.items()
        ]

    def represent_list(self, keys: Sequence[dict[str, Any]]) -> Any:
        """Present a list so that more can be said of it later."""
        return {"results": keys}

    def _visible(self) -> QuerySet[ApiKey]:
        tenants = self.actor.tenants
        if not self.actor.may("apikeys.view_apikey"):
            raise Forbidden
        keys = ApiKey.objects.all()
        return keys if tenants is None else keys.filter(customer_id__in=tenants)

    def _customer_id(self) -> UUID | None:
        """Name the customer that the caller acts for, where it is one; else the body has to."""
        tenant = self.actor.home_tenant()
        return UUID(tenant) if tenant else None


class LegacyApiKeyViewSet(ApiKeyViewSet):
    """API keys, version 1: the shapes and codes that existing clients know."""

    channel = "v1"
    refuses_unknown_fields = False

    def get_exception_handler(self) -> ExceptionHandler:
        """Answer errors as v1 always did."""
        return exception_handlers.plain

    def represent_postponed(self, postponed: Postponed) -> dict[str, str]:
        """Say what v1 has always said; for a key that does not exist yet, with its id."""
        body = {"status": "approval_flow_initiated"}
        if self.action == "create":
            body["id"] = str(postponed.result_id)
        return body

    def represent_read(self, api_keys: Iterable[ApiKey]) -> Sequence[dict[str, Any]]:
        """Present keys as they are."""
        return [api_key_as_json(api_key) for api_key in api_keys]

    def represent_list(self, keys: Sequence[dict[str, Any]]) -> Any:
        """Present the bare list."""
        return keys
