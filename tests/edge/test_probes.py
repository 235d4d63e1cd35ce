"""The probes of load balancers and orchestrators: answered whatever the application does."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.edge.client import connect, exchange, get, head

pytestmark = pytest.mark.edge

PROBLEM = "application/problem+json"
PROBES = [b"/livez", b"/readyz"]


def ask(server, path, *, method=b"GET", host=b"10.1.2.3", seconds=10):
    request = (
        method + b" " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    )
    return exchange(server.port, request, seconds=seconds).only(method.decode())


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_probe_is_answered_under_any_host_name(server, path, method):
    answer = ask(server, path, method=method)

    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]


def test_a_probe_is_not_redirected_to_https(serve):
    server = serve(HTTPS="true", WEB_WORKERS="1")

    assert [ask(server, path).status for path in PROBES] == [200, 200]


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_takes_get_only(server, path):
    assert ask(server, path, method=b"DELETE", host=b"localhost").status in (404, 405)


def test_probes_are_answered_while_all_threads_are_busy_and_the_queue_is_full(serve):
    server = serve(WEB_WORKERS="1", WEB_THREADS="2", WEB_QUEUE="3")
    with ExitStack() as stack:
        for _ in range(5):
            caller = stack.enter_context(connect(server.port))
            caller.sendall(head(path=b"/edge/sleep/3"))
        refused = wait_for_refusal(server)

        assert [ask(server, path, seconds=2).status for path in PROBES] == [200, 200]
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.headers["content-type"] == PROBLEM
        assert refused.json()["request_id"] == refused.headers["x-request-id"]


def wait_for_refusal(server):
    """Send requests until one is not queued."""
    for _ in range(10):
        with connect(server.port) as caller:
            caller.sendall(head(path=b"/edge/sleep/3"))
            caller.settimeout(0.3)
            try:
                started = caller.recv(65536)
            except TimeoutError:
                continue
        assert started
        return exchange(server.port, head(path=b"/edge/fixed/1")).only()
    raise AssertionError


def test_a_request_that_waits_too_long_for_a_thread_is_refused(serve):
    server = serve(WEB_WORKERS="1", WEB_THREADS="1", WEB_QUEUE_SECONDS="1")
    with connect(server.port) as caller:
        caller.sendall(head(path=b"/edge/sleep/4"))
        caller.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.recv(1)

        answer = exchange(server.port, head(path=b"/edge/fixed/1")).only()

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_many_probes_at_the_same_time_have_one_answer(serve):
    server = serve(WEB_WORKERS="1")

    with ThreadPoolExecutor(8) as probes:
        answers = list(probes.map(lambda _: ask(server, b"/readyz"), range(400)))

    assert {answer.status for answer in answers} == {200}


def test_a_server_without_a_database_is_alive_and_not_ready(serve):
    server = serve(WEB_WORKERS="1", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    answer = ask(server, b"/readyz")

    assert ask(server, b"/livez").status == 200
    assert (answer.status, answer.headers["content-type"]) == (503, PROBLEM)
    assert answer.headers["retry-after"] == "1"
    assert get(server.port, "/static/config/reference.css") in (200, 404)


def test_a_server_on_a_database_that_is_read_only_is_not_ready(serve):
    answer = ask(serve(WEB_WORKERS="1", EDGE_READ_ONLY="yes"), b"/readyz")

    assert answer.status == 503


def test_a_server_whose_migrations_are_not_applied_is_not_ready(server, owner):
    latest = "SELECT max(id) FROM django_migrations WHERE app = 'audit'"
    owner.execute(f"UPDATE django_migrations SET app = 'elsewhere' WHERE id = ({latest})")
    try:
        answer = ask(server, b"/readyz")
    finally:
        owner.execute("UPDATE django_migrations SET app = 'audit' WHERE app = 'elsewhere'")

    assert answer.status == 503
    assert ask(server, b"/readyz").status == 200
