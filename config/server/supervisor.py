"""The processes of the web server, and a worker: started, replaced when they end, and stopped."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from errno import EADDRINUSE
from typing import NoReturn

import structlog
from django.conf import settings
from django.core.management.base import CommandError

from config.first_run import stopping

logger = structlog.get_logger(__name__)

ANSWER_SECONDS = 60
_POLL_SECONDS = 0.1
# A process that ends sooner than this is replaced after a pause, longer each time.
_STABLE_SECONDS = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
# Beyond the time that each process gives its worker to end.
_GRACE_SECONDS = 2


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


#: The arguments of Python for the two kinds of processes.
WEB = ("-m", "config.server.process")
WORKER = ("manage.py", "work")


@contextmanager
def running(*others: Sequence[str]) -> Iterator["Supervisor"]:
    """Serve until the block is left; enter it at the first response.

    ``others`` are the arguments of Python for processes that run beside the web server.

    :raises CommandError: if there is none in time, or a process exits before it.
    """
    supervisor = Supervisor(others)
    try:
        supervisor.start()
        yield supervisor
    finally:
        supervisor.stop()


class Supervisor:
    """The processes of the web server, and those beside it."""

    def __init__(self, others: Sequence[Sequence[str]]) -> None:
        self._processes = [_Process(each) for each in (*[WEB] * settings.WEB_WORKERS, *others)]

    def start(self) -> None:
        """Start the processes, and wait for the first response.

        :raises CommandError: if there is none in time, or a process exits before it.
        """
        for process in self._processes:
            process.start()
        end = time.monotonic() + ANSWER_SECONDS
        while not _answers():
            stopping.check()
            if any(each.has_ended() for each in self._processes) or time.monotonic() > end:
                raise CommandError("The web server did not start; its messages are above.")
            time.sleep(_POLL_SECONDS)

    def watch(self) -> NoReturn:
        """Replace processes that end, until a signal raises `stopping.Stopped`."""
        while True:
            stopping.check()
            for process in self._processes:
                process.replace_if_ended()
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop all processes, once their requests have ended or the time for it is over."""
        # A second Ctrl-C must not leave some of the servers running.
        stopping.ignore_signals()
        for process in self._processes:
            process.terminate()
        end = time.monotonic() + settings.WEB_STOP_SECONDS + _GRACE_SECONDS
        for process in self._processes:
            process.kill_at(end)


class _Process:
    """One process, and its replacements."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = self._due_at = time.monotonic()
        self._pause = 0.0

    def start(self) -> None:
        command = [sys.executable, *self._arguments]
        # A signal during Popen would raise after the fork and before the assignment.
        with stopping.held_back():
            # A session of its own: Ctrl-C reaches this process only, which then stops all in order.
            self._process = subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=True)
        self._started_at = time.monotonic()

    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def replace_if_ended(self) -> None:
        """Start it again: at once, or after a pause if it ends again and again."""
        if self._process is not None and self._process.poll() is not None:
            lived = time.monotonic() - self._started_at
            self._pause = 0 if lived > _STABLE_SECONDS else _next_pause(self._pause)
            self._due_at = time.monotonic() + self._pause
            logger.error(
                "process_ended",
                process=self._arguments[-1],
                code=self._process.returncode,
                replaced_in=self._pause,
            )
            # Its worker, if it has outlived it.
            self._kill_group(self._process)
            self._process = None
        if self._process is None and time.monotonic() >= self._due_at:
            self.start()

    def terminate(self) -> None:
        if self._process:
            self._process.terminate()

    def kill_at(self, end: float) -> None:
        """Wait for its end until then, and kill what is left of it."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, end - time.monotonic()))
            self._kill_group(self._process)
            self._process.wait()

    @staticmethod
    def _kill_group(process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _next_pause(pause: float) -> float:
    return min(_LONGEST_PAUSE, max(_FIRST_PAUSE, pause * 2))


def _answers() -> bool:
    """Return True if the server responds."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.WEB_HOST, settings.WEB_HOST)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.WEB_PORT, timeout=2)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False
