"""The upgrade from the release that wrote history itself: under load, no request fails."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings

from tests.databases import drop_database
from tests.servers import free_port, kill
from tests.threads import until

pytestmark = pytest.mark.edge

# The last commit whose server writes history itself.
EARLIER = "d96bd87"
CLIENTS, REQUESTS_PER_STEP = 4, 40
_DOUBLE_OR_MISSING = """
    SELECT message_type, count(history_id) FROM audit_commandrecord AS command
    LEFT JOIN apikeys_historicalapikey ON history_command_id = command_id
        AND history_actor_label = actor_label
    WHERE status = 'succeeded' AND message_type = 'apikeys.create' AND channel = 'v1'
    GROUP BY command.position, message_type HAVING count(history_id) <> 1
"""
_MAY_WRITE = "SELECT has_any_column_privilege(%s, 'apikeys_historicalapikey', 'INSERT')"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """The code of the earlier release."""
    directory = tmp_path_factory.mktemp("earlier")
    archive = subprocess.run(
        ["git", "archive", EARLIER], cwd=settings.BASE_DIR, capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"needs the history of the repository: {EARLIER} is not in it")
    subprocess.run(["tar", "x"], cwd=directory, input=archive.stdout, check=True)
    return directory


class Installation:
    """A database of its own, and both releases on it."""

    def __init__(self, name, data):
        self.owner_url = _on(os.environ["MIGRATION_DATABASE_URL"], name)
        self.role = urlsplit(os.environ["DATABASE_URL"]).username
        self._data = data
        self._environment = os.environ | {
            "DATABASE_URL": _on(os.environ["DATABASE_URL"], name),
            "MIGRATION_DATABASE_URL": self.owner_url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEMO": "true",
            "DATA_DIR": str(data),
        }

    def manage(self, code, *arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=code,
            env=self._environment | {"PYTHONPATH": str(code)},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def served(self, code):
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=code,
            env=self._environment
            | {"PORT": str(port), "WEB_WORKERS": "1", "PYTHONPATH": str(code)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            until(lambda: _is_ready(port))
            yield port
        finally:
            kill(process)

    def rows(self, sql, *values):
        with psycopg.connect(self.owner_url) as connection:
            return connection.execute(sql, values).fetchall()

    @property
    def secret(self):
        return json.loads((Path(self._data) / "demo.json").read_text())["api_key"]


class Load:
    """Clients that create keys one after another, and what was not a success."""

    def __init__(self, port, secret):
        self._port, self._secret, self._stop = port, secret, Event()
        self.succeeded, self.failures = 0, []
        self._threads = [Thread(target=self._work) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def go_on(self):
        """Wait until further requests have succeeded."""
        enough = self.succeeded + REQUESTS_PER_STEP
        until(lambda: self.failures or self.succeeded >= enough)

    def _work(self):
        while not self._stop.is_set():
            try:
                status, content = self._create()
            except (OSError, http.client.HTTPException) as error:
                status, content = 0, repr(error)
            if status == 201:
                self.succeeded += 1
            else:
                self.failures.append((status, content))

    def _create(self):
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {"Authorization": f"Bearer {self._secret}", "Content-Type": "application/json"}
        try:
            client.request("POST", "/api/v1/api-keys", '{"name": "made under load"}', headers)
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()


def _on(url, name):
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _is_ready(port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request("GET", "/readyz")
        return client.getresponse().status == 200
    except OSError:
        return False
    finally:
        client.close()


@pytest.fixture
def installation(owner, earlier, tmp_path):
    name = f"{owner.info.dbname}_upgrade"
    owner.execute(f"CREATE DATABASE {name}")
    try:
        installed = Installation(name, tmp_path)
        installed.manage(earlier, "migrate", "-v0")
        installed.manage(earlier, "demo")
        yield installed
    finally:
        drop_database(owner, name)


def test_no_request_fails_during_any_step_of_the_upgrade(installation, earlier):
    this, secret = settings.BASE_DIR, installation.secret
    steps = (("audit", "0016"), ("audit", "0017"), ())

    with installation.served(earlier) as port, Load(port, secret) as before:
        for step in steps:
            told = installation.manage(this, "migrate", "-v0", *step)
            before.go_on()
        assert "run migrate again" in told
        assert installation.rows(_MAY_WRITE, installation.role) == [(True,)]

        with installation.served(this) as new_port, Load(new_port, secret) as after:
            after.go_on()
            before.go_on()
            before.__exit__()
            assert before.failures == []

    with installation.served(this) as port, Load(port, secret) as load:
        told = installation.manage(this, "migrate", "-v0")
        load.go_on()

    assert told == ""
    assert (after.failures, load.failures) == ([], [])
    assert installation.rows(_MAY_WRITE, installation.role) == [(False,)]
    assert installation.rows(_DOUBLE_OR_MISSING) == []
    assert min(each.succeeded for each in (before, after, load)) >= REQUESTS_PER_STEP
