"""A NATS server with JetStream, on a free port and with a directory of its own."""

import asyncio
import subprocess
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import nats
from nats.js.errors import NotFoundError

from audit.reactions.relays.jetstream import JetStream
from tests.servers import free_port, program, responds
from tests.threads import until

ADAPTER = "audit.reactions.relays.jetstream.JetStream"
STREAM = "events"
PROGRAM = program("nats-server")


class Stored(NamedTuple):
    """A message in the stream."""

    id: UUID
    subject: str
    headers: dict
    body: bytes


class NatsServer:
    """A server that a test can kill, and start again with the same data and on the same port.

    ``options`` are those of its clients.
    """

    def __init__(self, directory, *, configuration="", options=None):
        self._options = options or {}
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._log, self._file = Path(directory) / "log", Path(directory) / "nats.conf"
        self._file.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{directory}" }}\n'
            f'log_file: "{self._log}"\n{configuration}'
        )
        self._process = None

    def start(self):
        until(self._has_started)

    def kill(self):
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _has_started(self):
        # Another process may have its port for a moment: then it ends, and is started again.
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen([PROGRAM, "-c", self._file])
        return responds(self.port)

    def make_stream(self, **options):
        """Make an empty stream in the place of the former one."""
        asyncio.run(self._make_stream(options))

    def stored(self):
        """Return all messages in the stream, in order."""
        return asyncio.run(self._stored())

    def ids(self):
        return [each.id for each in self.stored()]

    def count(self):
        return asyncio.run(self._count())

    def broker(self, **options):
        """Return a new connection, by the adapter."""
        return JetStream(**self.options(**options))

    def options(self, **options):
        return {"servers": self.url, "stream": STREAM, **self._options, **options}

    def settings(self, **options):
        return {"events": {"BACKEND": ADAPTER, "OPTIONS": self.options(**options)}}

    async def _make_stream(self, options):
        async with self._manager() as manager:
            with suppress(NotFoundError):
                await manager.delete_stream(STREAM)
            await manager.add_stream(name=STREAM, subjects=["events.>"], **options)

    async def _count(self):
        async with self._manager() as manager:
            return (await manager.stream_info(STREAM)).state.messages

    async def _stored(self):
        async with self._manager() as manager:
            state = (await manager.stream_info(STREAM)).state
            numbers = range(state.first_seq, state.last_seq + 1)
            found = [await manager.get_msg(STREAM, each) for each in numbers]
        return [
            Stored(UUID(each.headers["Nats-Msg-Id"]), each.subject, each.headers, each.data)
            for each in found
        ]

    @asynccontextmanager
    async def _manager(self):
        client = await nats.connect(self.url, **self._options)
        try:
            yield client.jsm()
        finally:
            await client.close()


@contextmanager
def running(directory, **options):
    """Run a server until the block is left."""
    server = NatsServer(directory, **options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
