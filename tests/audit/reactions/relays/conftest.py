"""A real NATS server, and a relay to its stream."""

import pytest

from tests.brokers import PROGRAM, running


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("NATS is not installed: apt install nats-server")
    with running(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def nats(nats_server):
    """The server, with an empty stream."""
    nats_server.start()
    nats_server.make_stream()
    return nats_server
