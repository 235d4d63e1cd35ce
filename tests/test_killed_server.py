"""What the books say after the server was killed in the middle of its work."""

import http.client
import json
from contextlib import suppress
from threading import Semaphore, Thread

import pytest
from django.db import connections

from apikeys.models import ApiKey
from audit.models.records import CommandRecord, EventRecord
from tests.books import assert_balanced
from tests.servers import free_port, kill, serving
from tests.threads import until

pytestmark = pytest.mark.edge

CLIENTS = 4
ACKNOWLEDGED_BEFORE_THE_KILL = 60


class Program:
    """A client that makes, disables and enables keys, until the server is gone."""

    def __init__(self, port, secret, acknowledged: Semaphore) -> None:
        self._port, self._secret, self._acknowledged = port, secret, acknowledged
        self.command_ids: list[str] = []
        self.thread = Thread(target=self._work)

    def _work(self) -> None:
        # What is under way at the kill is never answered, and the next call is refused.
        with suppress(OSError, http.client.HTTPException):
            while True:
                key = self._post("/api/v1/api-keys", {"name": "made under load"})
                for what in ("disable", "enable", "disable"):
                    self._post(f"/api/v1/api-keys/{key['id']}/{what}")

    def _post(self, path, body=None):
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"Authorization": f"Bearer {self._secret}", "Content-Type": "application/json"}
        try:
            client.request("POST", path, json.dumps(body or {}), headers)
            answer = client.getresponse()
            content = json.loads(answer.read())
        finally:
            client.close()
        assert answer.status in (200, 201), content
        self.command_ids.append(answer.headers["Command-Id"])
        self._acknowledged.release()
        return content


@pytest.fixture
def port():
    """A port that nobody listens on."""
    return free_port()


@pytest.fixture
def server(port):
    """The real server on the test database, with two workers."""
    with serving(port, workers=2) as process:
        yield process


def test_whatever_was_acknowledged_is_there_and_nothing_is_there_by_halves(port, first_key, server):
    acknowledged = Semaphore(0)
    programs = [Program(port, first_key.secret, acknowledged) for _ in range(CLIENTS)]
    for program in programs:
        program.thread.start()
    for _ in range(ACKNOWLEDGED_BEFORE_THE_KILL):
        assert acknowledged.acquire(timeout=60)

    kill(server)

    for program in programs:
        program.thread.join()
    until(lambda: others_connected() == 0)
    told = {command_id for program in programs for command_id in program.command_ids}
    assert len(told) >= ACKNOWLEDGED_BEFORE_THE_KILL
    known = CommandRecord.objects.filter(command_id__in=told)
    assert set(known.values_list("status", flat=True)) == {"succeeded"}
    assert known.count() == len(told)
    assert EventRecord.objects.filter(command_id__in=told).count() == len(told)
    assert ApiKey.history.filter(history_command_id__in=told).count() == len(told)
    # What was carried out and never answered is no more than what was under way.
    assert CommandRecord.objects.filter(channel="v1").count() <= len(told) + CLIENTS
    assert_balanced()


def others_connected() -> int:
    """How many connections of the killed server PostgreSQL has yet to give up."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = current_user AND pid <> pg_backend_pid()"
        )
        (count,) = cursor.fetchone()
        return count
