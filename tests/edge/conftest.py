"""Servers started by `manage.py serve`, on the test database."""

from contextlib import ExitStack

import pytest

from tests.edge.servers import serving


# Not for the session: other tests count the connections to the same database.
@pytest.fixture(scope="module")
def server(django_db_setup, tmp_path_factory):
    """A server with two workers and short deadlines, for tests that leave it as it was."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def serve(tmp_path):
    """A function that starts a server for one test; keyword arguments are its environment."""
    with ExitStack() as stack:

        def start(**environment):
            directory = tmp_path / str(len(list(tmp_path.iterdir())))
            return stack.enter_context(serving(directory, **environment))

        yield start
