"""Webhooks: events that are sent to endpoints of customers, signed, until they are accepted."""
