"""The real server on the test database, by its URL."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests import servers


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """Serve until the block is left; yield the base URL, without a trailing slash."""
    port = servers.free_port()
    with servers.serving(port, **environment):
        yield f"http://127.0.0.1:{port}"
