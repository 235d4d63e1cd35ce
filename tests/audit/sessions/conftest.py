"""The cast of the tests of signing in."""

import pytest

from audit.factors import models
from tests.factors import Clock


@pytest.fixture
def clock(monkeypatch):
    """The time for codes of authenticator apps."""
    clock = Clock()
    monkeypatch.setattr(models, "time", lambda: clock.now)
    return clock
