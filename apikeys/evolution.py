"""Folding of API key events, for columns that do not have the name of an event field."""

from apikeys import events
from audit.domain import State, evolves


@evolves(events.ApiKeyCreated, events.ApiKeyEnabled)
def enable(key: State, event: events.ApiKeyCreated | events.ApiKeyEnabled) -> State:
    return {"is_enabled": True}


@evolves(events.ApiKeyDisabled, events.ApiKeyDeleted)
def disable(key: State, event: events.ApiKeyDisabled | events.ApiKeyDeleted) -> State:
    return {"is_enabled": False}


@evolves(events.ApiKeyUpdated)
def change(key: State, event: events.ApiKeyUpdated) -> State:
    return event.changes
