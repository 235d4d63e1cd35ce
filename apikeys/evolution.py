"""What events change in an API key, beside the columns that have the names of their fields."""

from apikeys.events import (
    ApiKeyCreated,
    ApiKeyDeleted,
    ApiKeyDisabled,
    ApiKeyEnabled,
    ApiKeyUpdated,
)
from audit.domain import State, evolves


@evolves(ApiKeyCreated, ApiKeyEnabled)
def let_in(key: State, event: ApiKeyCreated | ApiKeyEnabled) -> State:
    return {"is_enabled": True}


@evolves(ApiKeyDisabled, ApiKeyDeleted)
def turn_away(key: State, event: ApiKeyDisabled | ApiKeyDeleted) -> State:
    return {"is_enabled": False}


@evolves(ApiKeyUpdated)
def change(key: State, event: ApiKeyUpdated) -> State:
    return event.changes
