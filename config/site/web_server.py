"""The web server of `manage.py start`: granian, in its own process group."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from errno import EADDRINUSE

from django.conf import settings
from django.core.management.base import CommandError

from config.first_run import stopping

ANSWER_SECONDS = 60
STOP_SECONDS = 10


def refuse_taken_port() -> None:
    """Check that the port is free, before any work is done.

    :raises CommandError: if another process listens on it.
    """
    host, port = settings.WEB_HOST, settings.WEB_PORT
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno != EADDRINUSE:
            raise
        raise CommandError(
            f"Port {port} is taken, perhaps by another Countersign: stop the process that "
            f"listens there, or choose another port with: PORT={port + 1} make run"
        ) from error


@contextmanager
def running() -> Iterator[subprocess.Popen[bytes]]:
    """Serve until the block is left; enter it at the first response.

    :raises CommandError: if there is none in time, or the server exits.
    """
    process = None
    try:
        # A signal during Popen would raise after the fork and before the assignment.
        with stopping.held_back():
            process = _start()
        _await_answer(process)
        yield process
    finally:
        if process:
            _stop(process)


def _start() -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--log-level", "warning"),
        *("--host", settings.WEB_HOST, "--port", str(settings.WEB_PORT)),
        *("--workers", str(settings.WEB_WORKERS)),
        *("--blocking-threads", str(settings.WEB_THREADS)),
        "config.wsgi:application",
    ]
    # A session of its own: Ctrl-C reaches this process only, which then stops all in order.
    return subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=True)


def _await_answer(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + ANSWER_SECONDS
    while not _answers():
        if process.poll() is not None or time.monotonic() > end:
            raise CommandError("The web server did not start; its messages are above.")
        time.sleep(0.1)


def _answers() -> bool:
    """Return True if the server responds, with any status."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.WEB_HOST, settings.WEB_HOST)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.WEB_PORT, timeout=2)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/")
        connection.getresponse()
        return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    # A second Ctrl-C must not leave some of the servers running.
    stopping.ignore_signals()
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    # The workers, in case they outlived their parent.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
