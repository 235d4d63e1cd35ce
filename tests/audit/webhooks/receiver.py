"""A receiver of webhooks: an HTTPS server in a thread, with a certificate for `hooks.test`."""

import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "hooks.test"


class Received(NamedTuple):
    path: str
    headers: dict
    body: bytes


class Answer(NamedTuple):
    status: int = 200
    headers: dict = {}
    body: bytes = b"ok"


class Receiver(ThreadingHTTPServer):
    """Keeps what it receives. ``held`` has an event to wait for before each response, by path.

    With ``is_kept``, a connection stays open after a response, and is closed with the request whose
    number in it is ``dropped``. ``connections`` counts those that have been opened.
    """

    daemon_threads = True

    def __init__(self, certificate):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received, self.answer, self.held = [], Answer(), {}
        self.is_kept, self.dropped, self.connections = False, None, 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._context = context

    def finish_request(self, request, client_address):
        # In the thread of the request: a client that does not speak TLS holds nobody up.
        with self._context.wrap_socket(request, server_side=True) as secured:
            self.connections += 1
            super().finish_request(secured, client_address)

    def handle_error(self, request, client_address):
        """Ignore clients that go away."""

    def url(self, path="/in"):
        return f"https://{HOST}:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    number = 0

    @property
    def protocol_version(self):
        return "HTTP/1.1" if self.server.is_kept else "HTTP/1.0"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.number += 1
        if self.number == self.server.dropped:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body))
        if self.path in self.server.held:
            self.server.held[self.path].wait(30)
        answer = self.server.answer
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *args):
        pass


@contextmanager
def serving(certificate):
    """Run a receiver."""
    with Receiver(certificate) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def write_certificate(path):
    """Write a key and a certificate for the host of the receiver, signed by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, *plain) + certificate.public_bytes(pem))
    return path
