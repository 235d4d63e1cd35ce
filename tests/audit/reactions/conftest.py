"""Subscriptions of a test."""

import pytest

from audit.reactions import declarations, workers


@pytest.fixture
def own_subscriptions(monkeypatch):
    """No subscriptions and no other work but those that the test declares."""
    monkeypatch.setattr(declarations, "_subscriptions", {})
    monkeypatch.setattr(workers, "_runs", {})
