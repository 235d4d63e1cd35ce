"""Workers in processes of their own, which a test can kill."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

from tests import servers

TABLE = "test_effect"


class Workers:
    """Any number of workers on the test database; ``arguments`` are those of `tests.forking`."""

    def __init__(self, *arguments):
        self._arguments = arguments

    def __enter__(self):
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.forking", *self._arguments],
            env=servers.environment(DJANGO_SETTINGS_MODULE="tests.settings"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pids = []
        return self

    def start(self):
        print(file=self._parent.stdin, flush=True)
        self.pids.append(int(self._parent.stdout.readline()))

    def kill(self, pid):
        self.pids.remove(pid)
        os.kill(pid, signal.SIGKILL)

    def __exit__(self, *_):
        for pid in list(self.pids):
            with suppress(ProcessLookupError):
                self.kill(pid)
        self._parent.stdin.close()
        self._parent.wait()
        self._parent.stdout.close()
