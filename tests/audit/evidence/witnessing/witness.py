"""A witness as C2SP tlog-witness specifies it, written without the code that it judges."""

import hashlib
import re
import threading
from base64 import b64decode, b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

NAME = "witness.example/w1"
AT = 1_790_000_000


class Witness(ThreadingHTTPServer):
    """Remembers the newest checkpoint of each log whose public key it is given.

    ``kept`` has the size and root by origin. ``fault`` is a response that it gives instead.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.private_key = Ed25519PrivateKey.generate()
        self.trusted, self.kept, self.requests, self.fault = {}, {}, [], None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"

    @property
    def verifier_key(self):
        return f"{NAME}+{self._id.hex()}+{b64encode(self._typed).decode()}"

    def trust(self, verifier_key):
        """Trust the key of a log, as the log publishes it."""
        name, key_id, key = verifier_key.split("+", 2)
        self.trusted[name, bytes.fromhex(key_id)] = b64decode(key)[1:]

    def answer(self, body):
        """Return the status and the body of the response to a request."""
        self.requests.append(body)
        if self.fault:
            return self.fault
        head, text, signatures = re.fullmatch(r"(.*?)\n\n(.*?\n)\n(.*)", body, re.DOTALL).groups()
        first, *proof = head.split("\n")
        old = int(re.fullmatch(r"old (0|[1-9][0-9]*)", first)[1])
        origin, size, root = text.split("\n")[:3]
        return self._judge(origin, text, signatures, (old, int(size), b64decode(root), proof))

    def _judge(self, origin, text, signatures, claim):
        old, size, root, proof = claim
        known_size, known_root = self.kept.get(origin, (0, hashlib.sha256().digest()))
        if origin not in {name for name, _ in self.trusted}:
            return 404, ""
        if not any(self._is_signed(text, line) for line in signatures.splitlines()):
            return 403, ""
        if old > size:
            return 400, ""
        if old != known_size or (old == size and root != known_root):
            return 409, f"{known_size}\n"
        if not is_consistent(old, size, known_root, root, [b64decode(each) for each in proof]):
            return 422, ""
        self.kept[origin] = size, root
        return 200, self.cosign(text)

    def cosign(self, text, *, at=AT):
        message = f"cosignature/v1\ntime {at}\n{text}".encode()
        value = self._id + at.to_bytes(8, "big") + self.private_key.sign(message)
        return f"\u2014 {NAME} {b64encode(value).decode()}\n"

    def _is_signed(self, text, line):
        match = re.fullmatch("\u2014 (\\S+) (\\S+)", line)
        value = b64decode(match[2])
        key = self.trusted.get((match[1], value[:4]))
        try:
            return bool(key) and not Ed25519PublicKey.from_public_bytes(key).verify(
                value[4:], text.encode()
            )
        except InvalidSignature:
            return False

    @property
    def _typed(self):
        return b"\x04" + self.private_key.public_key().public_bytes_raw()

    @property
    def _id(self):
        return hashlib.sha256(NAME.encode() + b"\n" + self._typed).digest()[:4]


def is_consistent(old, new, old_root, new_root, proof):
    """Verify by the definition of RFC 6962, section 2.1.2: rebuild both roots from the proof."""
    if old in (0, new):
        return not proof and (old == 0 or old_root == new_root)
    rest = list(proof)

    def roots(known, size, is_whole):
        """The roots of the first ``known`` leaves and of all, as the proof has them."""
        if known == size:
            found = old_root if is_whole else rest.pop(0)
            return found, found
        left = 1 << ((size - 1).bit_length() - 1)
        if known <= left:
            older, newer = roots(known, left, is_whole)
            return older, _node(newer, rest.pop(0))
        older, newer = roots(known - left, size - left, False)
        sibling = rest.pop(0)
        return _node(sibling, older), _node(sibling, newer)

    try:
        return roots(old, new, True) == (old_root, new_root) and not rest
    except IndexError:
        return False


def _node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, text = self.server.answer(body) if self.path == "/add-checkpoint" else (404, "")
        self.send_response(status)
        self.send_header("Content-Type", "text/x.tlog.size" if status == 409 else "text/plain")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


@contextmanager
def witnessing():
    """Run a witness."""
    with Witness() as witness:
        thread = threading.Thread(target=witness.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield witness
        finally:
            witness.shutdown()
            thread.join()
