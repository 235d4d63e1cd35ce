"""The server's processes: `manage.py serve`, killed workers, and orderly ends."""

import os
import signal
from threading import Thread

from tests.edge.client import exchange, get, head
from tests.edge.servers import eventually, is_alive


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def responds(server):
    return get(server.port, "/edge/fixed/1", seconds=2) == 200


def test_serve_responds_and_ends_with_all_its_processes(serve):
    server = serve()
    processes = server.processes()

    server.process.send_signal(signal.SIGTERM)
    code = server.process.wait(20)

    assert code == 0
    assert processes
    assert [pid for pid in processes if is_alive(pid)] == []
    assert get(server.port, "/edge/echo") == "ConnectionRefusedError"


def test_killed_workers_are_replaced_again_and_again(serve):
    server = serve()
    eventually(lambda: len(server.workers()) == 2)
    first = set(server.workers())

    kill(sorted(first)[:1])
    eventually(lambda: len(set(server.workers())) == 2 and not first <= set(server.workers()))
    assert responds(server)
    for _ in range(4):
        kill(server.workers()[-1:])
        eventually(lambda: responds(server))
    kill(server.workers())
    eventually(lambda: responds(server))
    eventually(lambda: len(server.workers()) == 2)

    assert server.is_running()


def test_killed_parents_of_workers_are_replaced(serve):
    server = serve()
    old = server.processes()

    kill(old)

    eventually(lambda: len(server.workers()) == 2 and not set(old) & set(server.processes()))
    eventually(lambda: responds(server))
    assert server.is_running()


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
    eventually(lambda: server.requests_under_way() >= len(paths))

    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: get(server.port, "/edge/fixed/1", seconds=1) != 200)
    for caller in callers:
        caller.join()

    answers = [each.only() for each in received]
    assert [answer.status for answer in answers] == [200] * len(paths)
    assert all(answer.is_complete for answer in answers)
    assert server.process.wait(20) == 0


def test_a_request_that_never_ends_does_not_keep_the_server_from_stopping(serve):
    server = serve(WEB_STOP_SECONDS="2")
    stuck = Thread(target=exchange, args=(server.port, head(path=b"/edge/sleep/60")), daemon=True)
    stuck.start()
    eventually(lambda: server.requests_under_way() >= 1)
    processes = server.processes()

    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(20) == 0
    assert [pid for pid in processes if is_alive(pid)] == []
