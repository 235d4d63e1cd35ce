"""Subscriptions of a test."""

import pytest

from audit.reactions import declarations, workers
from tests.audit.reactions.things import Handler


@pytest.fixture
def own_subscriptions(monkeypatch):
    """No subscriptions and no other work but those that the test declares."""
    monkeypatch.setattr(declarations, "_subscriptions", {})
    monkeypatch.setattr(workers, "_runs", {})
    monkeypatch.setattr(workers, "_long_runs", {})


@pytest.fixture
def handler(own_subscriptions):
    return Handler()
