"""JSON shapes of API keys. No secret is ever part of a key."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from django.utils import timezone

from apikeys.models import ApiKey, Environment, State
from apikeys.rest.reading import AwaitedSecret, KeyInContext, LiveSecret
from audit.rest import (
    ActorReference,
    Address,
    PendingApproval,
    Uuid,
    address,
    one_of,
    present_pending,
)

_SHOWN_ONCE = (
    "The secret was shown once, in the first response to this request. If it is lost, "
    "POST {url}/rotate issues another one."
)


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


def present(keys: Iterable[KeyInContext]) -> list[ApiKeyResource]:
    """Return the JSON of keys, with their working secrets and pending approvals."""
    now = timezone.now()
    return [_api_key(each, now) for each in keys]


def present_with_secret(key: KeyInContext, *, secret: str | None) -> ApiKeyWithSecret:
    """Return the JSON of a key with its new secret, or a note if the secret was shown before."""
    (shown,) = present([key])
    note = None if secret else _SHOWN_ONCE.format(url=shown["url"])
    return {**shown, "secret": secret, "secret_note": note}


def legacy(api_key: ApiKey) -> LegacyApiKey:
    """Return the JSON of a key in version 1."""
    return {
        "id": str(api_key.pk),
        "name": api_key.name,
        "enabled": api_key.is_enabled,
        "prefix": api_key.prefix,
        "created_at": api_key.created_at,
    }


def _api_key(key: KeyInContext, now: datetime) -> ApiKeyResource:
    api_key, around = key
    return {
        "id": str(api_key.pk),
        "url": address("v2-key", "api_key_id", api_key.pk),
        "name": api_key.name,
        "description": api_key.description,
        "environment": api_key.environment,
        "state": api_key.state_at(now).value,
        "enabled": api_key.is_enabled,
        "prefix": api_key.prefix,
        "scopes": list(api_key.scopes),
        "allowed_networks": list(api_key.allowed_networks),
        "not_before": api_key.not_before,
        "expires_at": api_key.expires_at,
        "metadata": api_key.metadata,
        "owner": {"id": api_key.owner_id, "username": around.owner},
        "customer_id": str(api_key.customer_id),
        "created_at": api_key.created_at,
        "last_used_at": around.last_used_at,
        "last_used_from": around.last_used_from,
        "secrets": [_secret(each) for each in around.secrets],
        "pick_up": _pick_up(around.pick_up) if around.pick_up else None,
        "pending_approvals": present_pending(around.waiting),
    }


def _secret(secret: LiveSecret) -> SecretResource:
    return {
        "id": secret.id,
        "created_at": secret.created_at,
        "not_after": secret.not_after,
    }


def _pick_up(awaited: AwaitedSecret) -> PickUpResource:
    by: ActorReference = {"kind": awaited.kind, "id": awaited.id, "label": awaited.label}
    return {"by": by, "until": awaited.until}
