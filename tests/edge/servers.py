"""A server in processes of its own, started as operators start it."""

import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import servers
from tests.threads import until

#: Short deadlines, in seconds; the sizes are those of production.
SHORT = {
    "WEB_HEAD_SECONDS": "2",
    "WEB_BODY_SECONDS": "2",
    "WEB_WRITE_SECONDS": "3",
}


class Server:
    """A server that runs."""

    def __init__(self, process, *, port, log):
        self.process, self.port, self._log = process, port, log

    def log(self):
        """Return all that the server has written."""
        return self._log.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def processes(self):
        """Return the ids of all processes below the one that was started."""
        return [pid for pid in servers.descendants(self.process.pid) if not _is_tracker(pid)]

    def requests_under_way(self):
        """Return how many requests for a slow page have begun."""
        return self.log().count("slow page begun")

    def workers(self):
        """Return the ids of the processes that handle requests: those without children."""
        return [pid for pid in self.processes() if not servers.descendants(pid)]


@contextmanager
def serving(directory, **environment):
    """Run `manage.py serve` on a free port until the block is left; yield it once it responds."""
    directory.mkdir(exist_ok=True)
    port, log = servers.free_port(), directory / "log"
    defaults = {"DJANGO_SETTINGS_MODULE": "tests.edge.settings", "PORT": str(port), **SHORT}
    with log.open("w") as output:
        process = servers.start(output, **defaults | environment)
    server = Server(process, port=port, log=log)
    try:
        until(lambda: "Serving on" in server.log() or not server.is_running())
        assert server.is_running(), server.log()
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        servers.kill(process)


def connections(port):
    """Return the number of connections that the server at a port has open.

    Those that it has closed, and the kernel not yet, hold nothing of the server.
    """
    established, closed_by_client = "01", "08"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = [line for line in lines if line[1].endswith(f":{port:04X}")]
    return sum(line[3] in (established, closed_by_client) for line in here)


def is_alive(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _is_tracker(pid):
    """Return True for the helper process of Python's multiprocessing."""
    with suppress(OSError):
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
