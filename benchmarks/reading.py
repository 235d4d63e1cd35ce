"""Reading a page over HTTP as a signed-in user, and the duration of its queries.

With BENCHMARK_CLOCK=processor, it is the processor time of the server process, without waiting:
other load on the machine hardly affects it.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from audit.wire import statements

# What each row has once, in a page and in a list.
_ROW = {"text/html": b"<time datetime=", "application/json": b'"correlation_id":'}


class Reading(NamedTuple):
    """The work of the database for one page, and the number of records shown."""

    queries: int
    milliseconds: float
    slowest_ms: float
    rows: int


class NotAnswered(Exception):
    """A page was not answered with 200."""


class Reader:
    """A user who is signed in."""

    def __init__(self, person: User) -> None:
        # A page that fails is answered with 500, as it is when serving.
        self._client = Client(headers={"Host": "localhost"}, raise_request_exception=False)
        self._client.force_login(person)

    def read(self, path: str) -> Reading:
        """Read a page once.

        :raises NotAnswered: if it is not answered.
        """
        stopwatch = _Stopwatch()
        timed = partial(stopwatch, statements.exchange)
        # Prepared statements do not pass Django's cursors.
        with connection.execute_wrapper(stopwatch), patch.object(statements, "exchange", timed):
            answer = self._client.get(path)
        if answer.status_code != HTTPStatus.OK:
            message = f"{path}: {answer.status_code}"
            raise NotAnswered(message)
        times, kind = stopwatch.times, answer["Content-Type"].partition(";")[0]
        return Reading(len(times), sum(times), max(times), answer.content.count(_ROW[kind]))


class _Stopwatch:
    """Times each query; Django's own figures are whole milliseconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Execute one query."""
        started = _clock()
        try:
            return execute(*arguments)
        finally:
            self.times.append((_clock() - started) * 1000)


def server_seconds() -> float:
    """Return the time that the server process of the connection has computed: on Linux only."""
    raw: Any = connection.connection
    statistics = Path(f"/proc/{raw.info.backend_pid}/schedstat").read_text()
    return int(statistics.split()[0]) / 1e9


_clock = server_seconds if os.environ.get("BENCHMARK_CLOCK") == "processor" else time.perf_counter
