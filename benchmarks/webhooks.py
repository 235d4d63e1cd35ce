"""Deliveries of webhooks per second, from one process to endpoints on this machine, over TLS.

    python -m benchmarks.webhooks [events] [endpoints]

Each event goes to each endpoint. The receiver is another process: with both on two cores, the
sender has one. With a dead endpoint in addition, which accepts connections and does not respond.
"""

import multiprocessing
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import scratch

# Between two looks at what is left.
_TURNS = 10
_RESPONSE = b"HTTP/1.1 204 No Content\r\n\r\n"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ.setdefault("WEBHOOK_ALLOW_PRIVATE", "true")


def main(events: int = 150, endpoints: int = 10) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, scratch.database("countersign_webhooks"):
        # Its models can be imported once Django is set up.
        from tests.audit.webhooks.receiver import write_certificate  # noqa: PLC0415

        certificate = write_certificate(Path(folder) / "receiver.pem")
        os.environ["SSL_CERT_FILE"] = str(certificate)
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        receiver = multiprocessing.get_context("fork").Process(
            target=_receive, args=(listening, str(certificate)), daemon=True
        )
        receiver.start()
        port = listening.getsockname()[1]
        rates = [_rate(events, endpoints, port=port, is_one_dead=each) for each in (False, True)]
        receiver.kill()
        receiver.join()
    for (rate, own, server), words in zip(rates, ("alive", "alive, and one dead"), strict=True):
        sys.stdout.write(
            f"{endpoints} endpoints {words}: {rate:.0f} deliveries per second, "
            f"for each {own:.1f} ms of processor time, and {server:.1f} of the database\n"
        )


def _receive(listening: socket.socket, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_serve, args=(connection, context), daemon=True).start()


def _serve(connection: socket.socket, context: ssl.SSLContext) -> None:
    """Accept one delivery after the other, until the sender closes the connection."""
    with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
        while _read_request(secured):
            secured.sendall(_RESPONSE)


def _read_request(connection: socket.socket) -> bool:
    # A response before the end of the request would reset the connection.
    request = b""
    while b"\r\n\r\n" not in request:
        received = connection.recv(65536)
        if not received:
            return False
        request += received
    head, _, body = request.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return True


def _rate(events: int, endpoints: int, *, port: int, is_one_dead: bool) -> tuple[float, ...]:
    """Return deliveries per second to the endpoints that respond, and ms of processor time.

    The time for each is that of the sender, and that of its server process.
    """
    from audit.webhooks.deliveries import WebhookDelivery  # noqa: PLC0415
    from audit.webhooks.sending.sender import Sender  # noqa: PLC0415
    from benchmarks.reading import server_seconds  # noqa: PLC0415

    urls = [f"https://hooks.test:{port}/{number}" for number in range(endpoints)]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = [f"https://hooks.test:{silent.getsockname()[1]}/"] if is_one_dead else []
        _fill(events, urls + dead)
        alive = WebhookDelivery.objects.filter(endpoint__destination__in=urls)
        wanted = alive.filter(state="pending").count()
        clocks = time.monotonic, time.process_time, server_seconds
        sender, before = Sender(), [clock() for clock in clocks]
        while alive.filter(state="pending").exists():
            for _ in range(_TURNS):
                sender.turn()
        wall, own, server = (clock() - start for clock, start in zip(clocks, before, strict=True))
        return wanted / wall, own * 1_000 / wanted, server * 1_000 / wanted


def _fill(events: int, urls: list[str]) -> None:
    """Create a customer with endpoints, and the deliveries of so many events."""
    from apikeys.commands import CreateCustomer  # noqa: PLC0415
    from audit.actors.actors import SYSTEM  # noqa: PLC0415
    from audit.bus.context import Context  # noqa: PLC0415
    from audit.bus.dispatch import dispatch  # noqa: PLC0415
    from audit.models.records import EventRecord  # noqa: PLC0415
    from audit.webhooks.commands import CreateWebhookEndpoint, SendTestEvent  # noqa: PLC0415
    from audit.webhooks.deliveries import WebhookDelivery  # noqa: PLC0415

    def done(command: Any) -> Any:
        outcome: Any = dispatch(command, context=Context(actor=SYSTEM))
        return outcome.result

    tenant = str(done(CreateCustomer(name=f"With {len(urls)} endpoints")).pk)
    made = [done(CreateWebhookEndpoint(tenant=tenant, destination=url)) for url in urls]
    for _ in range(events):
        done(SendTestEvent(endpoint_id=made[0].pk))
    newest = EventRecord.objects.order_by("-position").values_list("id", flat=True)[:events]
    WebhookDelivery.objects.bulk_create(
        [WebhookDelivery(endpoint=each, event_id=event) for event in newest for each in made]
    )


def _resolve_to_this_machine() -> None:
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == "hooks.test" else host, port, *args, **options)

    socket.getaddrinfo = resolve  # type: ignore[assignment]  # as in the tests


if __name__ == "__main__":
    _resolve_to_this_machine()
    main(*map(int, sys.argv[1:]))
