"""A connection that can be cut, and a command to be sent over it."""

import tempfile
from functools import partial
from pathlib import Path

import pytest
from django.db import connection, connections

from apikeys.commands import CreateApiKey
from audit.actors.actors import actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from tests.severed import Wire


@pytest.fixture
def wire(monkeypatch, clean_database):
    """The way to the database, for this test through something that can be cut."""
    database = connections["default"].settings_dict
    # Not pytest's own directory: the path of a socket may be no longer than 103 bytes.
    with tempfile.TemporaryDirectory() as directory:
        wire = Wire(Path(directory), host=database["HOST"], port=database["PORT"])
        connection.close()
        monkeypatch.setitem(database, "HOST", str(wire.directory))
        monkeypatch.setitem(database, "PORT", wire.port)
        yield wire
        connection.close()
        monkeypatch.undo()
        wire.close()


@pytest.fixture
def creation(acme, dana):
    """The creation of a key, not yet sent."""
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
    return partial(dispatch, command, context=Context(actor=actor_for_user(dana)))
