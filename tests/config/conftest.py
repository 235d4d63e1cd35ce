"""Other processes, and directories for their servers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = (
    *("DATABASE_URL", "MIGRATION_DATABASE_URL", "DATA_DIR", "STATIC_ROOT", "STATIC_MANIFEST"),
    "DJANGO_SETTINGS_MODULE",
    *("SECRET_KEY", "PAYLOAD_KEYS", "FINGERPRINT_KEY", "EVIDENCE_KEY", "LOG_KEYS", "WEBHOOK_KEYS"),
    *("ALLOWED_HOSTS", "HTTPS", "LOG_FORMAT"),
)


class Process:
    """Another Python process: it runs a script, prints one JSON value, and waits for its end."""

    def __init__(self, script, **environment):
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"{script}\nimport sys; sys.stdout.flush(); sys.stdin.read()"],
            cwd=REPOSITORY,
            env=_fresh_environment() | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self):
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return json.loads(line)

    def leave(self):
        """Let the process end; return its standard error."""
        if not self._process.stdin.closed:
            self._error = self._process.communicate()[1]
        return self._error

    def kill(self):
        self._process.kill()
        self.leave()


def _fresh_environment():
    """Return the environment without the variables of tests.plugin, as on a fresh machine."""
    return {name: value for name, value in os.environ.items() if name not in OURS}


def _processes():
    started = []

    def start(script, **environment):
        started.append(Process(script, **environment))
        return started[-1]

    yield start
    for each in started:
        each.leave()


def _home():
    """Create a directory for a server; as root, the server's account must be able to enter it."""
    directory = Path(tempfile.mkdtemp(prefix="cs-"))
    directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(autouse=True)
def clean_database():
    """Override the fixture: these tests do not touch the application's database."""


@pytest.fixture
def process(home):
    """A function that starts processes; they end before their directory is removed."""
    yield from _processes()


@pytest.fixture(scope="module")
def lasting_process(lasting_home):
    """A function that starts processes that last for a whole module."""
    yield from _processes()


home = pytest.fixture(_home)
fresh_environment = pytest.fixture(_fresh_environment)
lasting_home = pytest.fixture(_home, scope="module")
