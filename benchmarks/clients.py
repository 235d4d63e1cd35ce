"""Clients of the real server: requests over connections that stay open, on a plan or one by one."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

_TIMEOUT_SECONDS = 10.0


class Request(NamedTuple):
    """A request; for a write, with the key that no other request may write meanwhile."""

    content: bytes
    key: str | None


@dataclass(slots=True)
class Answered:
    """Results of the requests in a period."""

    #: From the moment that each was due, also if no connection was free then: in milliseconds.
    times: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    #: The commands that the server reported as executed.
    command_ids: list[str] = field(default_factory=list)

    def p99(self) -> float:
        """Return the 99th percentile of the response times."""
        ordered = sorted(self.times) or [0.0]
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


class Workload:
    """Reads and writes by turns, as many reads to a write as wanted; every write has an effect."""

    def __init__(self, secrets: Sequence[str], keys: Sequence[str], *, reads: int = 1) -> None:
        self._secrets, self._reading = cycle(secrets), cycle(keys)
        self._idle, self._is_enabled = deque(keys), dict.fromkeys(keys, True)
        self._turns = cycle([*["read"] * reads, "write"])

    def next(self) -> Request:
        """Return the next request; a read, if all keys are being written."""
        secret = next(self._secrets)
        if next(self._turns) == "read" or not self._idle:
            return Request(_request("GET", next(self._reading), secret), None)
        key = self._idle.popleft()
        verb = "disable" if self._is_enabled[key] else "enable"
        return Request(_request("POST", f"{key}/{verb}", secret), key)

    def done(self, request: Request, *, took_effect: bool) -> None:
        """Return a key to the free ones after a write, successful or not."""
        if request.key is None:
            return
        self._is_enabled[request.key] ^= took_effect
        self._idle.append(request.key)


def send(address: tuple[str, int], workload: Workload, *, requests: int) -> Answered:
    """Send N requests over eight connections, each after the response to the one before."""
    return asyncio.run(_closed_loop(address, workload, requests))


def send_at(
    address: tuple[str, int], workload: Workload, *, rate: float, seconds: float
) -> Answered:
    """Send N requests a second, without waiting for earlier responses (an open loop)."""
    return asyncio.run(_open_loop(address, workload, rate, seconds))


async def _closed_loop(address: tuple[str, int], workload: Workload, requests: int) -> Answered:
    answered, left = Answered(), iter(range(requests))
    connections = _Connections(address)

    async def client() -> None:
        for _ in left:
            await _one(connections, workload, answered, due=time.perf_counter())

    await asyncio.gather(*(client() for _ in range(8)))
    connections.close()
    return answered


async def _open_loop(
    address: tuple[str, int], workload: Workload, rate: float, seconds: float
) -> Answered:
    answered, connections = Answered(), _Connections(address)
    started, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = started + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(_one(connections, workload, answered, due=due)))
    await asyncio.gather(*tasks)
    connections.close()
    return answered


async def _one(
    connections: "_Connections", workload: Workload, answered: Answered, *, due: float
) -> None:
    request, took_effect = workload.next(), False
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            status, command_id = await connections.ask(request.content)
        took_effect = status == 200  # noqa: PLR2004  # OK
        if not took_effect:
            answered.errors.append(str(status))
        elif command_id:
            answered.command_ids.append(command_id)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        answered.errors.append(type(error).__name__)
    workload.done(request, took_effect=took_effect)
    answered.times.append((time.perf_counter() - due) * 1000)


class _Connections:
    """Open connections: a caller takes a free one, or opens another."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, content: bytes) -> tuple[int, str]:
        """Send a request; return the status, and the command that the answer names."""
        reader, writer = (
            self._free.pop() if self._free else await asyncio.open_connection(*self._address)
        )
        try:
            writer.write(content)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, headers = _parsed(head)
            await reader.readexactly(int(headers.get("content-length", "0")))
        except BaseException:
            writer.close()
            raise
        self._free.append((reader, writer))
        return status, headers.get("command-id", "")

    def close(self) -> None:
        """Close the connection."""
        for _, writer in self._free:
            writer.close()


def _request(method: str, path: str, secret: str) -> bytes:
    lines = (
        f"{method} /api/v2/api-keys/{path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {secret}",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _parsed(head: str) -> tuple[int, dict[str, str]]:
    first, *lines = head.rstrip().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), {name.lower(): value for name, value in pairs}
