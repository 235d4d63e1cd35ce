"""The real server on the test database, and other processes that use it."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import IO
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


def start(output: int | IO[str], **extra: str) -> subprocess.Popen[bytes]:
    """Start the server as operators do, on the test database."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=settings.BASE_DIR,
        env=environment(**extra),
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def program(name: str) -> str | None:
    """Return the path of a program; Debian installs some where only root looks for them."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def serving(port: int, *, workers: int = 1, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve as operators do, until the block is left."""
    process = start(subprocess.DEVNULL, PORT=str(port), WEB_WORKERS=str(workers), **extra)
    try:
        until(lambda: responds(port))
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a server with all its processes."""
    for pid in [process.pid, *descendants(process.pid)]:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below a process."""
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [each for child in children for each in (int(child), *descendants(int(child)))]
    return []


def responds(port: int) -> bool:
    """Return True if a server accepts connections on a port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
