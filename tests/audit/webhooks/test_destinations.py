"""What a delivery may connect to, and how long and how much it may read."""

import socket
import threading
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException

import pytest

from audit.webhooks import destinations
from audit.webhooks.destinations import NotPublic, Unresolvable, addresses, is_public
from audit.webhooks.sending import client, connections
from audit.webhooks.sending.client import words_of
from tests.audit.webhooks.receiver import HOST, Answer

PUBLIC = "93.184.216.34"
#: Forms of private, reserved and embedded addresses. Those of the second half pass `is_global`.
PRIVATE = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%lo", "fc00::1", "fd12::1"),
    *("2001:db8::1", "100::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "::127.0.0.1", "::7f00:1"),
    *("2001::1", "2001:0:4136:e378::1", "fec0::1", "3fff::1", "5f00::1", "192.0.0.8"),
    *("192.88.99.1", "224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"),
    *("::ffff:0:7f00:1", "4000::1"),
)


def post(url, body):
    """Send a body over a connection of its own."""
    with closing(connections.Kept()) as kept:
        return client.post(url, body, {}, kept=kept)


@pytest.mark.parametrize("address", PRIVATE)
def test_every_form_of_a_private_address_is_refused(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:2800:220:1::1", "::ffff:1.1.1.1"])
def test_public_addresses_are_accepted(address):
    assert is_public(address)


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "localhost"])
def test_other_notations_of_an_address_are_resolved_before_the_check(host):
    with pytest.raises(NotPublic):
        addresses(host, 443)


def test_one_private_address_among_public_ones_is_enough_to_refuse(resolved):
    resolved[HOST] = [PUBLIC, "10.0.0.1"]

    with pytest.raises(NotPublic):
        addresses(HOST, 443)


def test_a_host_without_an_address_is_unresolvable(resolved):
    resolved[HOST] = []

    with pytest.raises(Unresolvable):
        addresses(HOST, 443)
    with pytest.raises(Unresolvable):
        addresses("x" * 64 + ".example", 443)


def test_rebinding_does_not_change_the_address_that_was_checked(monkeypatch):
    """The DNS has a public address when it is asked first, and a private one after that."""
    answers, asked, connected = [PUBLIC, "127.0.0.1"], [], []

    def resolve(host, port, **options):
        asked.append(host)
        address = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address, *_):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(connections.socket, "create_connection", connect)

    with pytest.raises(ConnectionRefusedError):
        post("https://rebind.example/", b"")
    with pytest.raises(NotPublic):
        post("https://rebind.example/", b"")
    assert asked == ["rebind.example"] * 2
    assert connected == [(PUBLIC, 443)]


def test_the_next_address_is_tried_if_one_does_not_accept(receiver, resolved):
    resolved[HOST] = ["127.0.0.2", "127.0.0.1"]
    receiver.held = {}

    assert post(receiver.url(), b"{}").status == 200


def test_the_certificate_must_be_valid_for_the_host(receiver, resolved, monkeypatch):
    resolved["other.test"] = ["127.0.0.1"]

    with pytest.raises(OSError, match="Hostname mismatch") as mismatch:
        post(f"https://other.test:{receiver.server_port}/", b"{}")
    monkeypatch.delenv("SSL_CERT_FILE")
    connections._tls.cache_clear()
    with pytest.raises(OSError, match=r"self.signed"):
        post(receiver.url(), b"{}")

    assert words_of(mismatch.value).startswith("The certificate is not valid: Hostname mismatch")
    assert receiver.received == []


def test_no_proxy_of_the_environment_is_used(receiver, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert post(receiver.url(), b"{}").status == 200


def test_a_large_response_is_cut_off(receiver):
    receiver.answer = Answer(200, body=b"x" * 10 * client.LARGEST_RESPONSE)

    reply = post(receiver.url(), b"{}")

    assert (reply.status, len(reply.body)) == (200, client.LONGEST_KEPT)


@contextmanager
def serving_once(handle):
    """Run a server for one connection, which a function handles until an event; yield its port."""
    is_over = threading.Event()

    def serve():
        # The client may have gone.
        with suppress(OSError), closing(listening.accept()[0]) as connection:
            handle(connection, is_over)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(30)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            is_over.set()
            thread.join()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nX-Drip: "])
def test_an_endpoint_that_sends_slowly_is_left_at_the_deadline(sent, configure, monkeypatch):
    """Each byte comes in time; together they would take for ever."""
    configure(WEBHOOK_ALLOW_PRIVATE=True)
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.5)

    def drip(connection, is_over):
        connection.sendall(sent)
        while sent and not is_over.wait(0.05):
            connection.sendall(b"x")
        is_over.wait(30)

    with serving_once(drip) as port, pytest.raises(TimeoutError) as error:
        post(f"http://127.0.0.1:{port}/", b"{}")

    assert words_of(error.value).startswith("The endpoint did not respond within")


@pytest.mark.parametrize("size", [b"-5", b"-FFFFFFFFFFFFFFFFFFFF"])
def test_a_chunk_of_negative_size_is_no_http(size, configure):
    configure(WEBHOOK_ALLOW_PRIVATE=True)

    def respond(connection, _):
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n"
        )

    with serving_once(respond) as port, pytest.raises(HTTPException) as error:
        post(f"http://127.0.0.1:{port}/", b"{}")

    assert words_of(error.value) == "The response is not valid HTTP."


def test_the_port_must_be_among_those_of_the_settings(configure):
    configure(WEBHOOK_PORTS=[443, 8443])

    destinations.check("https://hooks.example:8443/")
    assert destinations.Destination.of("https://hooks.example:8443/a?b=c") == (
        *(True, "hooks.example", 8443, "/a?b=c"),
    )
    assert destinations.Destination.of("http://[::1]").port == 80
