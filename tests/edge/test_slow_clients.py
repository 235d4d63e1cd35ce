"""Clients that are silent, slow or do not read: they hold no thread, and are disconnected."""

import resource
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import pytest

from tests.edge.client import connect, get, head, read
from tests.edge.servers import connections
from tests.threads import until

pytestmark = pytest.mark.edge

SLOW = 64
SILENT = 1300
PAGE = "/admin/login/"
# More than the kernel takes for a connection that nobody reads.
UNREAD = b"/edge/stream/3200"


@pytest.fixture(autouse=True, scope="module")
def _room_for_connections():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def held(server, data, *, count):
    """Hold connections that have sent the data."""
    with ExitStack() as stack:
        opened = [
            stack.enter_context(connect(server.port, receive_buffer=4096)) for _ in range(count)
        ]
        for connection in opened:
            connection.sendall(data)
        yield opened


def assert_others_are_served(server):
    assert [get(server.port, PAGE, seconds=15) for _ in range(5)] == [200] * 5


def assert_all_threads_are_free(server):
    statuses = []
    callers = [
        Thread(target=lambda: statuses.append(get(server.port, "/edge/sleep/1"))) for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert statuses == [200] * 8
    assert read_of(server, b"/edge/stream/10").is_complete


def read_of(server, path):
    with connect(server.port) as connection:
        connection.sendall(head(path=path))
        return read(connection, seconds=10).only()


HALF_A_BODY = head(b"POST", extra=b"Content-Length: 500\r\n") + b"abcd"


def test_clients_that_never_send_their_bodies_are_refused(server):
    with held(server, HALF_A_BODY, count=SLOW) as opened:
        assert_others_are_served(server)
        answers = [read(connection, seconds=15).only() for connection in opened]

    assert {answer.status for answer in answers} == {408}
    assert_all_threads_are_free(server)


def test_clients_that_send_a_byte_now_and_then_are_refused(server):
    with held(server, HALF_A_BODY, count=SLOW) as opened:
        stopped = Event()

        def drip():
            while not stopped.wait(0.2):
                for connection in opened:
                    send_one(connection)

        dripping = Thread(target=drip)
        dripping.start()
        assert_others_are_served(server)
        received = [read(connection, seconds=15) for connection in opened]
        stopped.set()
        dripping.join()

    assert all(each.is_closed for each in received)
    assert {each.raw[:12] for each in received if each.raw} == {b"HTTP/1.1 408"}
    assert_all_threads_are_free(server)


def send_one(connection):
    try:
        connection.send(b"x")
    except OSError:
        return


def test_clients_that_do_not_read_a_stream_are_disconnected(server):
    with held(server, head(path=UNREAD), count=SLOW):
        assert_others_are_served(server)
        until(lambda: connections(server.port) == 0)

    assert_all_threads_are_free(server)


def test_clients_that_do_not_read_a_page_are_disconnected(server):
    with held(server, head(path=b"/edge/fixed/4000000"), count=SLOW):
        assert_others_are_served(server)
        until(lambda: connections(server.port) == 0)

    assert_all_threads_are_free(server)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["nothing", "half a head"])
def test_silent_clients_are_disconnected_and_keep_nobody_out(server, sent):
    with held(server, sent, count=SILENT):
        assert_others_are_served(server)
        until(lambda: connections(server.port) == 0)

    assert_all_threads_are_free(server)


def test_a_connection_that_stays_idle_after_a_response_is_closed(server):
    with connect(server.port) as connection:
        connection.sendall(b"GET /edge/fixed/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert read(connection, seconds=20).is_closed


def test_a_client_that_reads_slowly_gets_all_of_a_stream(server):
    with connect(server.port, receive_buffer=65536) as connection:
        connection.sendall(head(path=b"/edge/stream/200"))
        received = b""
        while part := connection.recv(1_000_000):
            received += part

    assert received.endswith(b"0\r\n\r\n")
