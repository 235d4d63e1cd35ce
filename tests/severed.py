"""Simulated database failures: a proxy that cuts the connection, and triggers that refuse rows."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum, auto
from functools import partial
from pathlib import Path
from threading import Event, Thread

import psycopg

from tests.threads import until

_PORT = 5432
# As a separate query, and as the last statement of a pipeline.
_COMMITS = (b"COMMIT\0", b"\0COMMIT\0\0\0")
_SYNC = b"S"
_READY_FOR_QUERY = b"Z"
_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""


class Cut(Enum):
    """The point at which the connection is cut, relative to the application's next COMMIT."""

    BEFORE_COMMIT = auto()  # the server never receives it
    DURING_COMMIT = auto()  # the application disconnects while the server executes it
    AFTER_COMMIT = auto()  # the server has executed it, and its response is lost
    SILENT_BEFORE_COMMIT = auto()  # the server never receives it, and no one disconnects
    SILENT_AFTER_COMMIT = auto()  # its response is lost, and no one disconnects


_SILENT = (Cut.SILENT_BEFORE_COMMIT, Cut.SILENT_AFTER_COMMIT)


class Wire:
    """A proxy between the application and PostgreSQL that can cut the connection at a COMMIT.

    It listens on a Unix socket in ``directory``, where libpq never encrypts. The protocol:
    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    port = str(_PORT)

    def __init__(self, directory: Path, *, host: str, port: str) -> None:
        self.directory = directory
        self._server = (host, int(port or _PORT))
        self._cut: Cut | None = None
        self._stays_down = False
        self._all_silent = Event()
        self._unanswered: list[socket.socket] = []
        self._meanwhile: Callable[[], object] = lambda: None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / f".s.PGSQL.{_PORT}"))
        self._listener.listen()
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def cut(
        self,
        where: Cut,
        *,
        meanwhile: Callable[[], object] = lambda: None,
        stays_down: bool = False,
    ) -> None:
        """Cut the connection at the next COMMIT, once it has arrived and ``meanwhile`` has run.

        If the proxy stays down, nothing can connect after that.
        """
        self._cut, self._meanwhile, self._stays_down = where, meanwhile, stays_down

    def fall_silent(self) -> None:
        """From now on, accept connections and relay nothing."""
        self._all_silent.set()

    def close(self) -> None:
        """Stop the proxy. All clients must have disconnected, except from a silent one."""
        self._stop_listening()
        for client in self._unanswered:
            _end(client)
        for thread in self._threads:
            thread.join(10)

    def _stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        # Fails once the listener is closed.
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        is_muted, is_silent = Event(), Event()
        if self._all_silent.is_set():
            self._unanswered.append(client)
            with client:
                _until_it_ends(client)
            return
        with client, _connect(*self._server) as server:
            answers = Thread(target=_relay_answers, args=(server, client, is_muted, is_silent))
            answers.start()
            with suppress(OSError):
                self._relay_requests(client, server, is_muted, is_silent)
            if is_muted.is_set():
                answers.join()
            _end(server)
            answers.join()

    def _relay_requests(
        self, client: socket.socket, server: socket.socket, is_muted: Event, is_silent: Event
    ) -> None:
        server.sendall(_exactly(client, _length(head := _exactly(client, 4)), head))
        while message := _message(client):
            if self._all_silent.is_set():
                _until_it_ends(client)
                return
            if self._cut is None or not message.endswith(_COMMITS):
                server.sendall(message)
                continue
            if message.endswith(_COMMITS[1]):
                message += _to_the_sync(client)
            cut, self._cut = self._cut, None
            self._meanwhile()
            if self._stays_down:
                self._stop_listening()
            if cut in _SILENT:
                is_silent.set()
                if cut is Cut.SILENT_AFTER_COMMIT:
                    server.sendall(message)
                _until_it_ends(client)
                return
            if cut is not Cut.BEFORE_COMMIT:
                is_muted.set()
                server.sendall(message)
            if cut is Cut.DURING_COMMIT:
                _end(client)
            return


def refusing(
    owner: psycopg.Connection, table: str, *, when: str = "true", at_commit: bool = False
) -> AbstractContextManager[None]:
    """Make the database refuse matching rows of a table, until the block is left."""
    deed = "RAISE EXCEPTION 'the test refuses %', TG_TABLE_NAME"
    return _trigger(owner, table, deed, when=when, at_commit=at_commit)


@contextmanager
def pausing(
    owner: psycopg.Connection, table: str, *, when: str = "true", at_commit: bool = False
) -> Iterator[Callable[[], object]]:
    """Block writers of matching rows of a table, until the yielded function is called."""
    deed = "PERFORM pg_advisory_xact_lock_shared(1)"
    with _trigger(owner, table, deed, when=when, at_commit=at_commit):
        owner.execute("SELECT pg_advisory_lock(1)")
        try:
            yield partial(owner.execute, "SELECT pg_advisory_unlock_all()")
        finally:
            owner.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def _trigger(
    owner: psycopg.Connection, table: str, deed: str, *, when: str, at_commit: bool
) -> Iterator[None]:
    """Add a trigger, which only the owner of the tables can."""
    kind = "CONSTRAINT TRIGGER" if at_commit else "TRIGGER"
    timing = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    owner.execute(
        "CREATE FUNCTION tests_interfere() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN {deed}; RETURN NULL; END $$"
    )
    try:
        owner.execute(
            f"CREATE {kind} tests_interfere AFTER INSERT OR UPDATE ON {table} {timing}"
            f" FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION tests_interfere()"
        )
        yield
    finally:
        owner.execute("DROP FUNCTION tests_interfere CASCADE")


def until_blocked(owner: psycopg.Connection, *, how_many: int) -> None:
    """Return once so many connections to the database wait for a lock."""

    def are_blocked() -> bool:
        # Within a transaction, the server would repeat its first snapshot.
        owner.execute("SELECT pg_stat_clear_snapshot()")
        return owner.execute(_WAITING).fetchone() >= (how_many,)

    until(are_blocked)


def _connect(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def _relay_answers(
    server: socket.socket, client: socket.socket, is_muted: Event, is_silent: Event
) -> None:
    """Relay until the server ends or, when muted, until it has executed the current statement."""
    with suppress(OSError):
        while message := _message(server):
            if is_silent.is_set():
                continue
            if not is_muted.is_set():
                client.sendall(message)
            elif message.startswith(_READY_FOR_QUERY):
                break
    _end(client)


def _to_the_sync(client: socket.socket) -> bytes:
    """Return the messages up to the Sync that executes the last statement of a pipeline."""
    received = b""
    while not (message := _message(client)).startswith(_SYNC):
        received += message
    return received + message


def _message(sender: socket.socket) -> bytes:
    """Return one message, which starts with its type and length; empty at the end."""
    head = _exactly(sender, 5)
    return _exactly(sender, _length(head[1:]), head) if head else b""


def _length(head: bytes) -> int:
    """Return the rest of a message's length, which counts its own four bytes."""
    return int(struct.unpack("!i", head)[0]) - 4


def _exactly(sender: socket.socket, size: int, received: bytes = b"") -> bytes:
    end = len(received) + size
    while len(received) < end:
        piece = sender.recv(end - len(received))
        if not piece:
            return b""
        received += piece
    return received


def _until_it_ends(client: socket.socket) -> None:
    """Read and discard until the application disconnects."""
    while client.recv(65536):
        pass


def _end(either: socket.socket) -> None:
    with suppress(OSError):
        either.shutdown(socket.SHUT_RDWR)
