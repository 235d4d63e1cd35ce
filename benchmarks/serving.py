"""The real web server, as `manage.py serve` runs it, and others, on the database of a benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

_START_SECONDS = 30
#: The command line of each server that can be compared; ours takes its port from the settings.
SERVERS = {
    "ours": ("django", "serve"),
    "granian": (
        *("granian", "--interface", "wsgi", "--log-level", "warning", "--host", "127.0.0.1"),
        *("--port", "{port}", "--workers", "{workers}", "--blocking-threads", "{threads}"),
        "config.wsgi:application",
    ),
    "gunicorn": (
        *("gunicorn", "--worker-class", "gthread", "--bind", "127.0.0.1:{port}"),
        *("--workers", "{workers}", "--threads", "{threads}", "--log-level", "warning"),
        "config.wsgi:application",
    ),
}


class Server(NamedTuple):
    """A server that runs."""

    address: tuple[str, int]
    process: subprocess.Popen[bytes]

    def worker_megabytes(self) -> float:
        """Return the size of its largest process, which is the one that does the work."""
        return max(map(_megabytes, self.processes()))

    def processes(self) -> list[int]:
        """Return the ids of all its processes, without the one that was started."""
        return _descendants(self.process.pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time that its processes have used so far."""
        return sum(map(_cpu_seconds, self.processes()))


@contextmanager
def running(
    database: str, *, workers: int = 2, threads: int = 4, server: str = "ours", **extra: str
) -> Iterator[Server]:
    """Serve in a process group of its own until the block is left; its log goes nowhere."""
    port = free_port()
    values = {"port": port, "workers": workers, "threads": threads}
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(**values) for part in SERVERS[server])],
        cwd=settings.BASE_DIR,
        env=os.environ | _environment(database, **values) | extra,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await(port)
        yield Server(("127.0.0.1", port), process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(database: str, *, port: int, workers: int, threads: int) -> dict[str, str]:
    url = urlsplit(os.environ["DATABASE_URL"])
    return {
        "DATABASE_URL": urlunsplit(url._replace(path=f"/{database}")),
        "DJANGO_SETTINGS_MODULE": "benchmarks.rivals.settings",
        "LOG_FORMAT": "json",
        "PORT": str(port),
        "WEB_WORKERS": str(workers),
        "WEB_THREADS": str(threads),
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _await(port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in children for each in (int(child), *_descendants(int(child)))]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
