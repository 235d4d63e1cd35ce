"""Folding of API key events, for columns that do not have the name of an event field."""

from apikeys.events import (
    ApiKeyCreated,
    ApiKeyDeleted,
    ApiKeyDisabled,
    ApiKeyEnabled,
    ApiKeyUpdated,
)
from audit.domain import State, evolves


@evolves(ApiKeyCreated, ApiKeyEnabled)
def enable(key: State, event: ApiKeyCreated | ApiKeyEnabled) -> State:
    return {"is_enabled": True}


@evolves(ApiKeyDisabled, ApiKeyDeleted)
def disable(key: State, event: ApiKeyDisabled | ApiKeyDeleted) -> State:
    return {"is_enabled": False}


@evolves(ApiKeyUpdated)
def change(key: State, event: ApiKeyUpdated) -> State:
    return event.changes
