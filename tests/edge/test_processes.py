"""The server's processes: `manage.py serve`, killed workers, and orderly ends."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread

import pytest
from django.conf import settings

from apikeys.models import ApiKey
from audit.models.records import CommandRecord
from tests import servers
from tests.edge.client import exchange, get, head
from tests.edge.servers import is_alive
from tests.threads import until

pytestmark = pytest.mark.edge

#: More of them with WORKER_KILLS, as the soak test does.
KILLS = int(os.environ.get("WORKER_KILLS", "3"))


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def responds(server):
    return get(server.port, "/edge/fixed/1", seconds=2) == 200


def test_a_server_that_cannot_start_says_so(tmp_path):
    (tmp_path / "granian.py").write_text("raise ImportError('broken on purpose')")

    run = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        env=servers.environment(PORT=str(servers.free_port()), PYTHONPATH=str(tmp_path)),
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "broken on purpose" in run.stderr
    assert "The web server did not start" in run.stderr


def test_killed_workers_are_replaced_again_and_again(serve):
    server = serve()
    until(lambda: len(server.workers()) == 2)
    first = set(server.workers())

    kill(sorted(first)[:1])
    until(lambda: len(set(server.workers())) == 2 and not first <= set(server.workers()))
    assert responds(server)
    for _ in range(4):
        kill(server.workers()[-1:])
        until(lambda: responds(server))
    kill(server.workers())
    until(lambda: responds(server))
    until(lambda: len(server.workers()) == 2)

    assert server.is_running()


class Writer(Thread):
    """A client that creates keys, and repeats each request until it is acknowledged."""

    def __init__(self, server, key, *, stop):
        super().__init__(daemon=True)
        self._server, self._key, self._stop_writing = server, key, stop
        self.acknowledged, self.statuses = [], set()

    def run(self):
        while not self._stop_writing.is_set():
            name = str(uuid.uuid4())
            while (status := self._create(name)) != 201:
                self.statuses.add(status)
                time.sleep(0.05)
            self.acknowledged.append(name)

    def _create(self, name):
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=20)
        headers = {**self._key.headers, "Content-Type": "application/json", "Idempotency-Key": name}
        try:
            connection.request("POST", "/api/v2/api-keys", json.dumps({"name": name}), headers)
            response = connection.getresponse()
            assert response.read()
        except (OSError, HTTPException):
            return "no response"
        finally:
            connection.close()
        return response.status


def test_killed_workers_lose_and_duplicate_no_acknowledged_write(serve, first_key):
    server, stop = serve(RATE_LIMIT_PER_KEY="none"), Event()
    writers = [Writer(server, first_key, stop=stop) for _ in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        until(lambda: responds(server))
        written = sum(len(writer.acknowledged) for writer in writers)
        kill(server.workers()[-1:])
        until(lambda: sum(len(writer.acknowledged) for writer in writers) > written + 10)  # noqa: B023
    stop.set()
    for writer in writers:
        writer.join()

    names = [name for writer in writers for name in writer.acknowledged]
    assert len(names) > KILLS * 10
    assert set().union(*(writer.statuses for writer in writers)) <= {"no response", 503}
    assert ApiKey.objects.filter(name__in=names).count() == len(names)
    assert ApiKey.objects.exclude(pk=first_key.id).count() == len(names)
    created = CommandRecord.objects.filter(message_type="apikeys.create", channel="v2")
    assert created.filter(status="succeeded").count() == len(names)


def test_killed_parents_of_workers_are_replaced(serve):
    server = serve()
    old = server.processes()

    kill(old)

    until(lambda: len(server.workers()) == 2 and not set(old) & set(server.processes()))
    until(lambda: responds(server))
    assert server.is_running()
    assert server.log().count("process_ended") >= 2


def test_sigterm_ends_requests_and_streams_in_order(serve):
    server = serve()
    paths = [b"/edge/sleep/2"] * 6 + [b"/edge/paced/30"] * 2
    received = []
    callers = [
        Thread(
            target=lambda p=path: received.append(exchange(server.port, head(path=p), seconds=30))
        )
        for path in paths
    ]
    for caller in callers:
        caller.start()
    until(lambda: server.requests_under_way() >= len(paths))
    processes = server.processes()

    server.process.send_signal(signal.SIGTERM)
    until(lambda: get(server.port, "/edge/fixed/1", seconds=1) != 200)
    for caller in callers:
        caller.join()

    answers = [each.only() for each in received]
    assert [answer.status for answer in answers] == [200] * len(paths)
    assert all(answer.is_complete for answer in answers)
    assert server.process.wait(20) == 0
    assert [pid for pid in processes if is_alive(pid)] == []
    assert get(server.port, "/edge/fixed/1") == "ConnectionRefusedError"


def test_a_request_that_never_ends_does_not_keep_the_server_from_stopping(serve):
    server = serve(WEB_STOP_SECONDS="2")
    stuck = Thread(target=exchange, args=(server.port, head(path=b"/edge/sleep/60")), daemon=True)
    stuck.start()
    until(lambda: server.requests_under_way() >= 1)
    processes = server.processes()

    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(20) == 0
    assert [pid for pid in processes if is_alive(pid)] == []
