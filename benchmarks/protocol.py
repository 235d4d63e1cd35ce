"""Counting what really travels between the program and PostgreSQL."""

import re
import tempfile
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import psycopg
from django.db import connection

_STATEMENTS = ("Execute", "Query")
_MESSAGE = re.compile(r"[^\t]+\t[FB]\t\d+\t\w")


class Traffic(NamedTuple):
    """The cost of one piece of work: statements executed, and waits for their results."""

    statements: int
    round_trips: int


def traffic_of(work: Callable[[], object], *, raw: psycopg.Connection | None = None) -> Traffic:
    """Trace the protocol (libpq's PQtrace) while some work is done, on Django's connection."""
    connection.ensure_connection()
    pgconn = (raw or connection.connection).pgconn
    with tempfile.TemporaryFile("w+") as trace:
        pgconn.trace(trace.fileno())
        work()
        pgconn.untrace()
        trace.seek(0)
        # SQL may have several lines, of which only the first one is a message.
        messages = [line.split("\t") for line in trace if _MESSAGE.match(line)]
    senders = [message[1] for message in messages]
    turns = sum(now == "B" != before for before, now in pairwise(senders))
    statements = sum(m[1] == "F" and m[3] in _STATEMENTS for m in messages)
    return Traffic(statements, turns)
