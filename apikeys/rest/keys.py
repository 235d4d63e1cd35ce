"""The API key endpoints of version 2."""

from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from uuid import UUID

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys import commands
from apikeys.models import refusals
from apikeys.models.limits import DEFAULT_SCOPES
from apikeys.rest import reading
from apikeys.rest.listing import ApiKeyListQuery, found_by
from apikeys.rest.notes import with_secret
from apikeys.rest.resources import ApiKeyResource, ApiKeyWithSecret
from apikeys.rest.serializers import CreateApiKeyInput, RotateApiKeyInput, UpdateApiKeyInput
from apikeys.rights import BeyondOwnRights
from audit.domain import Completed, NotFound, SimilarName
from audit.rest import CommandViewSet, body, documented, page

_REVEALING = ("create", "rotate", "pick_up")

_command = partial(documented, gives=ApiKeyResource, is_command=True)
_revealing = partial(documented, gives=ApiKeyWithSecret, is_command=True)


class ApiKeyViewSet(CommandViewSet):
    """API keys: the whole life of each."""

    tag = "API keys"

    @documented("list_api_keys", lists=ApiKeyResource, query=ApiKeyListQuery)
    def list(self, request: Request) -> Response:
        """List keys, newest first."""
        query = ApiKeyListQuery.of(request)
        found = page(found_by(query, actor=self.actor), query)
        shown = reading.presented(found.rows)
        return Response(body(request, query, shown, cursor=found.cursor))

    @documented("retrieve_api_key", gives=ApiKeyResource)
    def retrieve(self, request: Request, api_key_id: UUID) -> Response:
        """Return one key. Send its ETag in If-Match to protect a write from concurrent changes."""
        found = reading.visible_key(self.actor, api_key_id)
        return Response(reading.present(found))

    @_revealing(
        "create_api_key",
        takes=CreateApiKeyInput,
        succeeds_with=status.HTTP_201_CREATED,
        raises=(BeyondOwnRights, NotFound, SimilarName),
    )
    def create(self, request: Request) -> Response:
        """Create a key and return its secret, once."""
        whose = reading.whose(self.actor)
        return self.send(commands.CreateApiKey, scopes=DEFAULT_SCOPES, **whose)

    @_command(
        "update_api_key",
        takes=UpdateApiKeyInput,
        raises=(
            BeyondOwnRights,
            refusals.AlreadyDeleted,
            refusals.RevocationWaiting,
            SimilarName,
        ),
    )
    def partial_update(self, request: Request, api_key_id: UUID) -> Response:
        """Change the name, scopes, networks, validity or metadata of a key."""
        return self.send(commands.UpdateApiKey, api_key_id=api_key_id)

    @_revealing(
        "rotate_api_key",
        takes=RotateApiKeyInput,
        raises=(
            BeyondOwnRights,
            refusals.AlreadyDeleted,
            refusals.PickUpWaiting,
            refusals.RevocationWaiting,
            refusals.RotationUnderWay,
        ),
    )
    def rotate(self, request: Request, api_key_id: UUID) -> Response:
        """Issue a new secret and return it, once; the old one works until the overlap ends."""
        return self.send(commands.RotateApiKey, api_key_id=api_key_id)

    @_revealing(
        "pick_up_secret",
        succeeds_with=status.HTTP_201_CREATED,
        raises=(
            BeyondOwnRights,
            refusals.AlreadyDeleted,
            refusals.NotYours,
            refusals.NothingToPickUp,
            refusals.PickUpExpired,
            refusals.RevocationWaiting,
            refusals.RotationUnderWay,
        ),
    )
    def pick_up(self, request: Request, api_key_id: UUID) -> Response:
        """Issue the secret of an approved key to its requester, once."""
        return self.send(commands.PickUpSecret, api_key_id=api_key_id)

    @_command(
        "enable_api_key",
        raises=(refusals.AlreadyDeleted, refusals.RevocationWaiting),
    )
    def enable(self, request: Request, api_key_id: UUID) -> Response:
        """Enable a key."""
        return self.send(commands.EnableApiKey, api_key_id=api_key_id)

    @_command("disable_api_key", raises=(refusals.AlreadyDeleted,))
    def disable(self, request: Request, api_key_id: UUID) -> Response:
        """Disable a key, effective from its next request."""
        return self.send(commands.DisableApiKey, api_key_id=api_key_id)

    @_command("delete_api_key")
    def destroy(self, request: Request, api_key_id: UUID) -> Response:
        """Delete a key permanently; its secrets stop working."""
        return self.send(commands.DeleteApiKey, api_key_id=api_key_id)

    def prefetched(self, command: Any) -> AbstractContextManager[None]:
        """Read the details of the key with the COMMIT of the command."""
        return reading.prefetched(command.api_key_id)

    def represent(self, completed: Completed) -> ApiKeyResource:
        """Return the key."""
        (shown,) = reading.presented([completed.result])
        return shown

    def with_secret(self, shown: ApiKeyResource, completed: Completed) -> Any:
        """Return the key; if a secret was made, with the secret, which is null on a repeat."""
        return with_secret(shown, completed) if self.action in _REVEALING else shown
