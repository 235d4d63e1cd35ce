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
import time
from pathlib import Path
from typing import Any

from benchmarks import scratch

# Between two looks at what is left.
_TURNS = 10
_RESPONSE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

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
    for (rate, cpu), words in zip(rates, ("alive", "alive, and one dead"), strict=True):
        sys.stdout.write(
            f"{endpoints} endpoints {words}: {rate:.0f} deliveries per second, "
            f"{cpu:.1f} ms of processor time of the sender for each\n"
        )


def _receive(listening: socket.socket, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    while True:
        connection, _ = listening.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                _read_request(secured)
                secured.sendall(_RESPONSE)
        except OSError:
            continue


def _read_request(connection: socket.socket) -> None:
    # A response before the end of the request would reset the connection.
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)


def _rate(events: int, endpoints: int, *, port: int, is_one_dead: bool) -> tuple[float, float]:
    """Return the deliveries per second to the endpoints that respond, and ms of processor time."""
    from audit.webhooks.deliveries import WebhookDelivery  # noqa: PLC0415
    from audit.webhooks.sending.sender import Sender  # noqa: PLC0415

    urls = [f"https://hooks.test:{port}/{number}" for number in range(endpoints)]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = [f"https://hooks.test:{silent.getsockname()[1]}/"] if is_one_dead else []
        _fill(events, urls + dead)
        alive = WebhookDelivery.objects.filter(endpoint__destination__in=urls)
        wanted = alive.filter(state="pending").count()
        sender, started, used = Sender(), time.monotonic(), time.process_time()
        while alive.filter(state="pending").exists():
            for _ in range(_TURNS):
                sender.turn()
        cpu = (time.process_time() - used) * 1_000
        return wanted / (time.monotonic() - started), cpu / wanted


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
