"""JSON shapes of API keys. No secret is ever part of a key."""

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from apikeys.models import ApiKey, Environment, State
from audit.rest import ActorReference, Address, PendingApproval, Uuid, Version, one_of, resource


class OwnerResource(TypedDict):
    """The person on whose behalf a key acts."""

    id: int
    username: str


class SecretResource(TypedDict):
    """A valid secret: its creation, and its end if another one replaces it."""

    id: Uuid
    created_at: datetime
    not_after: datetime | None


class PickUpResource(TypedDict):
    """The actor who may pick up the next secret, and the deadline."""

    by: ActorReference
    until: datetime


class ApiKeyResource(TypedDict):
    """An API key. No field has its secret, which is shown only once."""

    id: Uuid
    url: Address
    version: Version
    name: str
    description: str
    environment: Annotated[str, one_of(Environment.values)]
    state: Annotated[str, one_of(State.values)]
    enabled: bool
    prefix: Annotated[str, "The first characters of the current secret; empty if there is none."]
    scopes: list[str]
    allowed_networks: Annotated[list[str], "The networks from which it works; empty: all."]
    not_before: datetime | None
    expires_at: datetime | None
    metadata: dict[str, Any]
    owner: OwnerResource
    customer_id: Uuid
    created_at: datetime
    last_used_at: Annotated[datetime | None, "Accurate to a minute; null: never."]
    last_used_from: str | None
    secrets: Annotated[list[SecretResource], "Valid secrets, newest first."]
    pick_up: PickUpResource | None
    pending_approvals: Annotated[
        list[PendingApproval], "Commands on the key that are waiting for approval."
    ]


class ApiKeyWithSecret(ApiKeyResource):
    """An API key and its new secret, once; a repeated request gets a note instead."""

    secret: str | None
    secret_note: str | None


class LegacyApiKey(TypedDict):
    """An API key as version 1 has it."""

    id: Uuid
    name: str
    enabled: bool
    prefix: str
    created_at: datetime


class LegacyApiKeyWithSecret(LegacyApiKey):
    """An API key as version 1 has it, with its secret, which a repeated request does not get."""

    secret: str | None


class LegacyPostponed(TypedDict):
    """The response of version 1 for a held command; for a new key, with its id."""

    status: Literal["approval_flow_initiated"]
    id: NotRequired[Uuid]


def legacy(api_key: ApiKey) -> LegacyApiKey:
    """Return the JSON of a key in version 1."""
    return resource(LegacyApiKey, api_key, id=str(api_key.pk), enabled=api_key.is_enabled)
