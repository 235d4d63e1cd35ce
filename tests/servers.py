"""The real server on the test database, and other processes that use it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from signal import SIGKILL
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connections

from tests.threads import until


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a process that is to use the test database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    database = connections["default"].settings_dict["NAME"]
    return os.environ | {"DATABASE_URL": urlunsplit(url._replace(path=f"/{database}"))} | extra


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextmanager
def serving(port: int, *, workers: int = 1, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve in a separate process group until the block is left."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--log-level", "warning"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
            *("--blocking-threads", "4", "config.wsgi:application"),
        ],
        cwd=settings.BASE_DIR,
        env=environment(**extra),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: _answers(port))
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
