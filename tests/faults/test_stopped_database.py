"""What a real server answers while its own PostgreSQL is stopped, waits for a standby, or is gone.

make soak runs the first test for 30 seconds with the default timeouts.
"""

import http.client
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.clusters import own_cluster
from tests.servers import free_port, serving
from tests.threads import until

pytestmark = pytest.mark.edge

STOPPED_SECONDS = float(os.environ.get("STOPPED_SECONDS", "9"))
IS_SOAK = STOPPED_SECONDS >= 30
TIMEOUTS = {"STATEMENT_TIMEOUT_MS": "15000" if IS_SOAK else "1000", "LOCK_TIMEOUT_MS": "1000"}
# The response to a statement, 2 s later than its timeout; then 8 s to record the outcome, and one
# more attempt to connect.
DEADLINE_SECONDS = int(TIMEOUTS["STATEMENT_TIMEOUT_MS"]) / 1000 + 2 + 8 + 3
# The machine that runs the tests may be busy.
SLACK_SECONDS = 5
STATIC = "/static/audit/countersign.css"
OUTAGE = "The database is not available at the moment, or took too long."
CODES = {
    *("connection_lost", "outcome_unknown", "rate_limit_unknown"),
    *("not_ready", "timeout", "unavailable"),
}


class Site:
    """The real server on a cluster of its own, as its clients see it."""

    def __init__(self, cluster, port):
        self.cluster, self._port = cluster, port
        demo = json.loads(cluster.demo_file.read_text())
        self._key, self._ann = demo["api_key"], demo["users"]["ann"]

    def send(self, method, path, body=None, **headers):
        """Return status, headers and body; a response after its deadline fails the test."""
        timeout = DEADLINE_SECONDS + SLACK_SECONDS
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        try:
            client.request(method, path, body, headers)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            client.close()

    def create(self):
        """Create a key in version 2; return its name with the response."""
        name = str(uuid4())
        return name, self._call("POST", "/api/v2/api-keys", {"name": name})

    def create_v1(self):
        name = str(uuid4())
        return name, self._call("POST", "/api/v1/api-keys", {"name": name})

    def read(self):
        return None, self._call("GET", "/api/v2/api-keys")

    def command(self, command_id):
        return self._call("GET", f"/api/v2/commands/{command_id}")

    def static(self):
        return None, self.send("GET", STATIC)

    def live(self):
        return None, self.send("GET", "/livez")

    def ready(self):
        return None, self.send("GET", "/readyz")

    def visitor(self):
        """Return functions that show two pages to Ann, and sign her in again."""
        _, headers, page = self.send("GET", "/admin/login/")
        token = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', page)[1].decode()
        csrf = headers["Set-Cookie"].partition(";")[0]
        form = urlencode({**self._ann, "csrfmiddlewaretoken": token})

        def sign_in():
            kind = "application/x-www-form-urlencoded"
            headers = {"Cookie": csrf, "Content-Type": kind}
            return None, self.send("POST", "/admin/login/?next=/admin/", form, **headers)

        def page(path):
            return lambda: (None, self.send("GET", path, Cookie=session))

        _, (status, headers, _) = sign_in()
        assert status == 302
        cookies = headers.get_all("Set-Cookie")
        session = next(each for each in cookies if each.startswith("sessionid")).partition(";")[0]
        return [sign_in, page("/admin/"), page("/no-such-page")]

    def _call(self, method, path, body=None):
        authorization = {"Authorization": f"Bearer {self._key}"}
        content = {"Content-Type": "application/json"} if body else {}
        text = json.dumps(body) if body else None
        return self.send(method, path, text, **authorization, **content)


@pytest.fixture(scope="module")
def cluster():
    with own_cluster() as cluster:
        yield cluster


@pytest.fixture
def site(cluster):
    port = free_port()
    with serving(port, **cluster.environment, **TIMEOUTS):
        yield Site(cluster, port)


def assert_documented(status, headers, body, *, fine):
    """Assert that a response is the usual one, or the documented one for an outage."""
    assert headers["X-Request-Id"]
    if status in fine:
        assert body or status == 302
        return
    assert status == 503, body
    assert headers["Retry-After"]
    if headers["Content-Type"].startswith("text/html"):
        assert OUTAGE in body.decode()
    else:
        assert json.loads(body)["code"] in CODES


@pytest.mark.parametrize("callers", ["programs", "people"])
def test_every_caller_is_answered_while_the_database_is_stopped(site, callers):
    programs = [site.create, site.create_v1, site.read]
    callers = programs if callers == "programs" else site.visitor()
    unaffected = (site.static, site.live)
    actions = [*unaffected, site.ready, *callers]
    for action in actions:
        _, (status, *_) = action()
        assert status in (200, 201, 302, 404)
    answers = []

    def repeat(action):
        # At least once, and as long as the database is stopped.
        while True:
            answers.append((action, *action()))
            if time.monotonic() > end:
                return
            time.sleep(0.05)

    with ThreadPoolExecutor(len(actions)) as clients, site.cluster.stopped():
        end = time.monotonic() + STOPPED_SECONDS
        for future in [clients.submit(repeat, action) for action in actions]:
            future.result()

    for action, _, answer in answers:
        assert_documented(*answer, fine=(200,) if action in unaffected else ())
    until(lambda: all(action()[1][0] != 503 for action in actions))
    names = [name for _, name, _ in answers if name]
    for name in names:
        # Each was answered 503, so it exists at most once.
        sql = f"SELECT count(*) FROM apikeys_apikey WHERE name = '{name}'"
        assert site.cluster.execute(sql)[0][0] <= 1


def test_a_commit_that_waits_for_a_standby_is_answered_and_its_outcome_found_later(site):
    sign_in, *_ = site.visitor()
    with waiting_for_a_standby(site.cluster):
        name, (status, headers, body) = site.create()
        _, read = site.read()
        _, signed_in = sign_in()

    assert_documented(*signed_in, fine=())
    assert status == 503
    assert json.loads(body)["code"] == "outcome_unknown"
    assert read[0] == 200
    command_id = headers["Command-Id"]
    until(lambda: site.command(command_id)[0] == 200)
    assert json.loads(site.command(command_id)[2])["status"] == "succeeded"
    count = f"SELECT count(*) FROM apikeys_apikey WHERE name = '{name}'"
    assert site.cluster.execute(count) == [(1,)]


def test_the_first_request_on_each_kept_connection_is_answered_when_the_database_is_gone(site):
    actions = [site.read, site.static, *site.visitor()] * 4
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda action: action(), actions))

        site.cluster.cluster.stop()
        try:
            answers = list(clients.map(lambda action: action()[1], actions))
        finally:
            site.cluster.cluster.start()

    for action, answer in zip(actions, answers, strict=True):
        assert_documented(*answer, fine=(200,) if action == site.static else ())
    until(lambda: site.read()[1][0] == 200)


@contextmanager
def waiting_for_a_standby(cluster):
    """Let each COMMIT wait for a standby that does not exist."""
    try:
        cluster.execute("ALTER SYSTEM SET synchronous_standby_names = 'nowhere'")
        cluster.execute("SELECT pg_reload_conf()")
        until(lambda: cluster.execute("SHOW synchronous_standby_names") == [("nowhere",)])
        yield
    finally:
        cluster.execute("ALTER SYSTEM RESET synchronous_standby_names")
        cluster.execute("SELECT pg_reload_conf()")
