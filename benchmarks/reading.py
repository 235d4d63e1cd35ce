"""Reading a page over HTTP as somebody, and how long its queries took."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client


class Reading(NamedTuple):
    """What the database did for one page."""

    queries: int
    milliseconds: float
    slowest_ms: float


class NotAnswered(Exception):
    """A page was not answered with 200."""


class Reader:
    """Somebody who is signed in."""

    def __init__(self, person: User) -> None:
        # A page that fails is answered with 500, as it is when serving.
        self._client = Client(headers={"Host": "localhost"}, raise_request_exception=False)
        self._client.force_login(person)

    def read(self, path: str) -> Reading:
        """Read a page once.

        :raises NotAnswered: if it is not answered.
        """
        stopwatch = _Stopwatch()
        with connection.execute_wrapper(stopwatch):
            answer = self._client.get(path)
        if answer.status_code != HTTPStatus.OK:
            message = f"{path}: {answer.status_code}"
            raise NotAnswered(message)
        return Reading(len(stopwatch.times), sum(stopwatch.times), max(stopwatch.times))


class _Stopwatch:
    """Times each query; Django's own figures are whole milliseconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Carry out one query."""
        started = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            self.times.append((time.perf_counter() - started) * 1000)
