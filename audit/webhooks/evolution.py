"""Folding of webhook events, for columns that do not have the name of an event field."""

from typing import Any

from audit.tracking.folding import UNKNOWN, State, evolves
from audit.webhooks import events


@evolves(events.WebhookEndpointCreated)
def create(endpoint: State, event: events.WebhookEndpointCreated) -> State:
    return {"is_enabled": True, "disabled_because": ""}


@evolves(events.WebhookEndpointEnabled)
def enable(endpoint: State, event: events.WebhookEndpointEnabled) -> State:
    return {"is_enabled": True, "disabled_because": ""}


@evolves(events.WebhookEndpointDisabled)
def disable(endpoint: State, event: events.WebhookEndpointDisabled) -> State:
    return {"is_enabled": False}


@evolves(events.WebhookEndpointDeleted)
def delete(endpoint: State, event: events.WebhookEndpointDeleted) -> State:
    cause = endpoint.get("disabled_because") or "requested"
    return {"is_enabled": False, "disabled_because": cause, "deleted_at": UNKNOWN}


@evolves(events.WebhookEndpointUpdated)
def change(endpoint: State, event: events.WebhookEndpointUpdated) -> dict[str, Any]:
    return event.changes
