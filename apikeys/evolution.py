"""Folding of API key events, for columns that do not have the name of an event field."""

from apikeys import events
from audit.domain import UNKNOWN, State, evolves


@evolves(events.ApiKeyCreated, events.ApiKeyEnabled)
def enable(key: State, event: events.ApiKeyCreated | events.ApiKeyEnabled) -> State:
    return {"is_enabled": True}


@evolves(events.ApiKeyDisabled)
def disable(key: State, event: events.ApiKeyDisabled) -> State:
    return {"is_enabled": False}


@evolves(events.ApiKeyDeleted)
def delete(key: State, event: events.ApiKeyDeleted) -> State:
    return {"is_enabled": False, "deleted_at": UNKNOWN}


@evolves(events.ApiKeyRotated, events.SecretPickedUp)
def forget_prefix(key: State, event: events.ApiKeyRotated | events.SecretPickedUp) -> State:
    return {"prefix": UNKNOWN}


@evolves(events.ApiKeyUpdated)
def change(key: State, event: events.ApiKeyUpdated) -> State:
    return event.changes
