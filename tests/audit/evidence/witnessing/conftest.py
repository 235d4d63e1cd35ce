"""A log with checkpoints, and a witness that trusts its key."""

import pytest

from audit.evidence.models import LogKey
from tests.audit.evidence.witnessing.witness import witnessing
from tests.audit.webhooks.conftest import certificate, receiver, resolved  # noqa: F401  # fixtures
from tests.transparency import last_checkpoint, sequence


@pytest.fixture
def checkpoint(acme):
    """The newest checkpoint."""
    sequence()
    return last_checkpoint()


@pytest.fixture
def witness(checkpoint, configure):
    """A witness that trusts the log, and has seen nothing of it."""
    with witnessing() as running:
        for key in LogKey.objects.all():
            running.trust(key.verifier_key)
        configure(LOG_WITNESSES={running.url: running.verifier_key})
        yield running
