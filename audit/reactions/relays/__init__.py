"""Relays: subscriptions that publish events to a message broker, at least once and in order."""
