"""Batching: several statements in one round trip to PostgreSQL.

BEGIN is sent with the first statement of a transaction and COMMIT with the last one. Within a
dispatch, a `Pipeline` defers statements whose result is not needed to the next round trip, and
caches the results of prefetched statements.

With ``AUDIT_WIRE="plain"`` the same statements are sent one by one through Django's cursors,
nothing is deferred, and BEGIN and COMMIT are Django's own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connection, connections
from psycopg import pq

from audit.installation.settings import countersign
from audit.wire import plain, statements
from audit.wire.statements import Call, Row, Statement

# Django's statements at the start and the end of a savepoint: the only ones without parameters.
_MARKS = ("SAVEPOINT ", "RELEASE SAVEPOINT ")
BEGIN = Call(Statement("BEGIN"))
COMMIT = Call(Statement("COMMIT"))


class Pipeline:
    """The statements that a dispatch has deferred, and the results that it has prefetched.

    Neither is visible to other code: every later statement, also one of the ORM, is sent after the
    deferred ones, and any statement clears the cached results. The start and the end of a savepoint
    are deferred, too, also to the pipeline of an inner command.
    """

    def __init__(self) -> None:
        self._outer = _current.get()
        self._queue: list[Call] = self._outer.take() if self._outer else []
        self.cached: list[tuple[Call, list[Row]]] = []
        self.database = connections[DEFAULT_DB_ALIAS]
        self._savepoints = list(self.database.savepoint_ids)
        self._token: Token[Pipeline | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self.database.execute_wrappers.append(self._flush_first)
        return self

    def __exit__(self, *_: object) -> None:
        self.database.execute_wrappers.remove(self._flush_first)
        if self._token:
            _current.reset(self._token)
        if self._outer:
            # A savepoint may be rolled back even if no statement was sent within it.
            self._outer.enqueue(*filter(_is_mark, self._queue))

    def may_defer(self) -> bool:
        """Return false within a savepoint, which may be rolled back."""
        return self.database.savepoint_ids == self._savepoints

    def enqueue(self, *calls: Call) -> None:
        """Defer statements to the next round trip. They may change the cached results."""
        self._queue += calls
        self.cached = []
        if _is_plain():
            self.flush()

    def flush(self) -> None:
        """Send the deferred statements."""
        if calls := self.take():
            _exchange(*calls)

    def take(self) -> list[Call]:
        """Return the deferred statements, which the caller sends before any other statement."""
        calls, self._queue, self.cached = self._queue, [], []
        return calls

    def cached_result(self, call: Call) -> list[Row] | None:
        """Return the result of a statement if it was prefetched."""
        for place, (cached, rows) in enumerate(self.cached):
            if cached == call:
                del self.cached[place]
                return rows
        return None

    def _flush_first(self, execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        """Send the deferred statements before one of the ORM."""
        if _current.get() is not self:
            return execute(sql, *rest)
        is_mark = isinstance(sql, str) and sql.startswith(_MARKS) and not _is_plain()
        # Other deferred statements must not fail within the savepoint that starts after them.
        if not is_mark or not all(map(_is_mark, self._queue)):
            self.flush()
        if not is_mark:
            return execute(sql, *rest)
        self.enqueue(Call(Statement(sql)))
        return None


@dataclass(slots=True, eq=False)
class _AfterCommit:
    """A statement to be sent with COMMIT, and its result once that has succeeded."""

    call: Call
    rows: list[Row] | None = None


_current: ContextVar[Pipeline | None] = ContextVar("audit_pipeline", default=None)
_after_commit: ContextVar[_AfterCommit | None] = ContextVar("audit_after_commit", default=None)


def deferring(*, using: str | None = DEFAULT_DB_ALIAS) -> Pipeline | None:
    """Return the pipeline to which a statement may be deferred at this point, if there is one."""
    pipeline = _current.get()
    is_ours = using in (None, DEFAULT_DB_ALIAS)
    return pipeline if pipeline and is_ours and pipeline.may_defer() else None


def fetch(statement: Statement, values: Any = ()) -> Row | None:
    """Return the first row of one statement."""
    rows = send(Call(statement, values))[0]
    return rows[0] if rows else None


def execute(statement: Statement, values: Any) -> list[Row]:
    """Return the rows of a statement that replaces one of the ORM, and is logged like one."""
    log_query(statement)
    return read(Call(statement, values))


def read(call: Call) -> list[Row]:
    """Return the rows of a statement, which may have been prefetched."""
    pipeline = _current.get()
    cached = pipeline.cached_result(call) if pipeline else _read_after_commit(call)
    return send(call)[0] if cached is None else cached


def prefetch(*calls: Call) -> None:
    """Send the statements of a dispatch in one round trip, for `read` and `execute`."""
    if _current.get():
        for call, rows in zip(calls, send(*calls), strict=True):
            cache(call, rows)


def cache(call: Call, rows: list[Row]) -> None:
    """Keep the result of a statement for the dispatch, until any other statement is sent."""
    if pipeline := _current.get():
        pipeline.cached.append((call, rows))


@contextmanager
def prefetched_after_commit(call: Call) -> Iterator[None]:
    """Send a statement with the COMMIT of a command that succeeds within this context.

    `read` returns the result until the context ends.
    """
    token = _after_commit.set(_AfterCommit(call))
    try:
        yield
    finally:
        _after_commit.reset(token)


def log_query(statement: Statement) -> None:
    """Add a statement to Django's log of queries."""
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement.sql.decode(), "time": "0"})


def send(*calls: Call) -> list[list[Row]]:
    """Send the deferred statements and then these in one round trip; return the rows of each.

    None of them is executed after one that fails. This includes COMMIT.
    """
    pipeline = _current.get()
    queue = pipeline.take() if pipeline else []
    return _exchange(*queue, *calls)[len(queue) :]


def send_last(*calls: Call) -> None:
    """Send the last statements of a successful command, and the one to prefetch after COMMIT."""
    wanted = _after_commit.get() if COMMIT in calls else None
    if wanted is None:
        send(*calls)
    else:
        *_, wanted.rows = send(*calls, wanted.call)


def commit_if_outermost() -> list[Call]:
    """Return COMMIT if Django would commit at the end of its innermost block, else nothing."""
    database = connections[DEFAULT_DB_ALIAS]
    is_outermost = database.commit_on_exit and not database.savepoint_ids
    return [COMMIT] if is_outermost and not (database.needs_rollback or _is_plain()) else []


def close_if_unusable() -> None:
    """Close the connection if it cannot be used; a test that runs in a transaction keeps it."""
    database = connections[DEFAULT_DB_ALIAS]
    if not database.in_atomic_block:
        database.close_if_unusable_or_obsolete()


def _is_mark(call: Call) -> bool:
    return not call.statement.formats


def _is_plain() -> bool:
    return countersign().wire == "plain"


def _read_after_commit(call: Call) -> list[Row] | None:
    wanted = _after_commit.get()
    if wanted is None or wanted.call != call:
        return None
    rows, wanted.rows = wanted.rows, None
    return rows


def _exchange(*calls: Call) -> list[list[Row]]:
    """Send statements, after BEGIN if Django has opened a transaction without sending it."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    if _is_plain():
        return plain.exchange(database, calls)
    # Django's check of a connection that is kept between requests: once a request is enough.
    if database.connection is None or not database.health_check_done:
        database.ensure_connection()
    raw = database.connection
    with database.wrap_database_errors:
        if raw.autocommit or raw.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            return statements.exchange(raw, calls)
        return statements.exchange(raw, (BEGIN, *calls))[1:]
