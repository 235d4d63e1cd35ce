"""The API key endpoints of version 1, with the shapes and codes that its clients expect."""

import re
from functools import partial
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.commands import CreateApiKey, DeleteApiKey, DisableApiKey, EnableApiKey, UpdateApiKey
from apikeys.models import refusals
from apikeys.rest.listing import visible_to
from apikeys.rest.reading import visible_key, whose
from apikeys.rest.resources import LegacyApiKey, LegacyApiKeyWithSecret, LegacyPostponed, legacy
from apikeys.rest.serializers import LegacyCreateInput, LegacyInput, LegacyRenameInput
from apikeys.rights import BeyondOwnRights
from audit.domain import (
    Command,
    Completed,
    Conflict,
    Context,
    FieldError,
    Invalid,
    NotFound,
    Postponed,
)
from audit.rest import CommandViewSet, ExceptionHandler, JSONParser, documented, plain

_ETAG = re.compile(r'"([0-9]{1,18})"')
_UNCHANGED: dict[str, tuple[type[Conflict], str]] = {
    "partial_update": (refusals.NothingToChange, "as you want it"),
    "enable": (refusals.AlreadyEnabled, "enabled"),
    "disable": (refusals.AlreadyDisabled, "disabled"),
    "destroy": (refusals.AlreadyDeleted, "deleted"),
}
_command = partial(documented, gives=LegacyApiKey, is_command=True)


class LegacyApiKeyViewSet(CommandViewSet):
    """API keys as in version 1, without deleted ones."""

    tag = "API keys"
    channel = "v1"
    postponed_shape = LegacyPostponed
    refuses_misfits = False
    is_conditional = False
    parser_classes = (JSONParser,)
    least_input = LegacyInput

    @documented("list_api_keys", gives=list[LegacyApiKey])
    def list(self, request: Request) -> Response:
        """List the caller's keys, newest first."""
        keys = visible_to(self.actor).filter(deleted_at__isnull=True)
        newest_first = keys.order_by("-created_at", "-pk")
        return Response([legacy(api_key) for api_key in newest_first])

    @documented("retrieve_api_key", gives=LegacyApiKey, always=("ETag",))
    def retrieve(self, request: Request, api_key_id: UUID) -> Response:
        """Return one key."""
        found = visible_key(self.actor, api_key_id)
        if found.api_key.deleted_at is not None:
            raise Http404
        return Response(legacy(found.api_key), headers={"ETag": f'"{found.version}"'})

    @documented(
        "create_api_key",
        takes=LegacyCreateInput,
        gives=LegacyApiKeyWithSecret,
        succeeds_with=status.HTTP_201_CREATED,
        is_command=True,
        raises=(BeyondOwnRights, NotFound),
    )
    def create(self, request: Request) -> Response:
        """Create a key and return its secret, once."""
        return self.send(CreateApiKey, confirm_similar_name=True, **whose(self.actor))

    @_command(
        "rename_api_key",
        takes=LegacyRenameInput,
        raises=(BeyondOwnRights, refusals.NothingToChange, refusals.RevocationWaiting),
    )
    def partial_update(self, request: Request, api_key_id: UUID) -> Response:
        """Rename a key."""
        return self.send(UpdateApiKey, api_key_id=api_key_id, confirm_similar_name=True)

    @_command("enable_api_key", raises=(refusals.AlreadyEnabled, refusals.RevocationWaiting))
    def enable(self, request: Request, api_key_id: UUID) -> Response:
        """Enable a key."""
        return self.send(EnableApiKey, api_key_id=api_key_id)

    @_command("disable_api_key", raises=(refusals.AlreadyDisabled,))
    def disable(self, request: Request, api_key_id: UUID) -> Response:
        """Disable a key, effective from its next request."""
        return self.send(DisableApiKey, api_key_id=api_key_id)

    @_command("delete_api_key")
    def destroy(self, request: Request, api_key_id: UUID) -> Response:
        """Delete a key permanently; its secrets stop working."""
        return self.send(DeleteApiKey, api_key_id=api_key_id)

    def get_exception_handler(self) -> ExceptionHandler:
        return _plain

    def set_condition(self, context: Context, command: Command) -> None:
        """Set the number that If-Match names: version 1 has ETags of the form "3"."""
        etag = self.request.headers.get("If-Match", "*")
        match = _ETAG.fullmatch(etag)
        if match is None and etag != "*":
            message = "must be an ETag as we gave it, with its quotes"
            raise Invalid(errors=[FieldError("If-Match", "invalid", message)])
        context.expected_number = int(match[1]) if match else None

    def represent(self, completed: Completed) -> Any:
        """Return the key; after creation with its secret, which is null on a repeat.

        :raises Conflict: if nothing was changed, which version 1 always refused.
        """
        if completed.is_unchanged:
            raise _refusal(self.action, completed)
        key = legacy(completed.result)
        return {**key, "secret": completed.secret} if self.action == "create" else key

    def represent_postponed(self, postponed: Postponed) -> LegacyPostponed:
        """Return version 1's body for a held command; for a creation, with the future key's id."""
        body: LegacyPostponed = {"status": "approval_flow_initiated"}
        if self.action == "create":
            body["id"] = str(postponed.result_id)
        return body


def _refusal(action: str, completed: Completed) -> Conflict:
    """Return the error of version 1 for a command that changed nothing."""
    kind, state = _UNCHANGED[action]
    refusal = kind(f"{completed.result} is already {state}.")
    refusal.command_id = completed.command_id
    return refusal


def _plain(error: Exception, context: dict[str, Any]) -> Response:
    """Report a missing key in the words of version 1, and a deleted one as missing.

    Version 1 used to delete the rows.
    """
    if not isinstance(error, NotFound | refusals.AlreadyDeleted) or error.errors:
        return plain(error, context)
    api_key_id = context["kwargs"].get("api_key_id")
    if api_key_id is None:
        return plain(error, context)
    if context["view"].action == "retrieve":
        return plain(Http404(), context)
    gone = NotFound(f"There is no api-key {api_key_id}.")
    gone.command_id = error.command_id
    return plain(gone, context)
