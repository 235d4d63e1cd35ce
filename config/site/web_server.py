"""The web server of `manage.py start`: granian, in its own process group."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EADDRINUSE
from pathlib import Path

from config.first_run import stopping

ANSWER_SECONDS = 60
STOP_SECONDS = 10


class PortTaken(Exception):
    """Another process listens on the port."""


class NoAnswer(Exception):
    """The web server exited or timed out before its first response."""


@dataclass(frozen=True, kw_only=True)
class WebServer:
    """The parameters of the web server."""

    directory: Path
    host: str
    port: int
    workers: int
    threads: int

    def refuse_taken_port(self) -> None:
        """Check that the port is free, before any work is done.

        :raises PortTaken: if another process listens on it.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            socket.create_server((self.host, self.port), family=family).close()
        except OSError as error:
            if error.errno == EADDRINUSE:
                raise PortTaken from error
            raise

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Serve until the block is left; enter it at the first response.

        :raises NoAnswer: if there is none in time, or the server exits.
        """
        process = None
        try:
            # A signal during Popen would raise after the fork and before the assignment.
            with stopping.held_back():
                process = self._start()
            self._await_answer(process)
            yield process
        finally:
            if process:
                _stop(process)

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches this process only, which then stops all in order.
        return subprocess.Popen(self._command(), cwd=self.directory, start_new_session=True)

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--log-level", "warning"),
            *("--host", self.host, "--port", str(self.port)),
            *("--workers", str(self.workers), "--blocking-threads", str(self.threads)),
            "config.wsgi:application",
        ]

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + ANSWER_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > end:
                raise NoAnswer
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Return True if the server responds, with any status."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        connection = http.client.HTTPConnection(host, self.port, timeout=2)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


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
