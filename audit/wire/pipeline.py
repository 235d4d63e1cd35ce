"""Statements that travel together, for a round trip costs more than most of them do.

So BEGIN goes with the first statement of a transaction and COMMIT with the last one. Inside a
dispatch there is a `Conversation` as well: what nobody waits for is said with the next statement
that somebody does wait for, and what will certainly be asked is answered ahead.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import pq

from audit.wire.statements import Call, Row, Statement, exchange

__all__ = [
    "BEGIN",
    "COMMIT",
    "Call",
    "Conversation",
    "Question",
    "Row",
    "Statement",
    "ask",
    "ask_ahead",
    "database",
    "ending",
    "fetch",
    "note",
    "send",
    "waiting",
]

# What Django says where a savepoint begins and ends; they have no parameters, as all else has.
_MARKS = ("SAVEPOINT ", "RELEASE SAVEPOINT ")
BEGIN = Call(Statement("BEGIN"))
COMMIT = Call(Statement("COMMIT"))


@dataclass(slots=True)
class Question:
    """What a caller will want to know once its command has taken effect.

    The answer comes with that of COMMIT, and there is none if it did not come to that.
    """

    call: Call
    answer: list[Row] | None = None


class Conversation:
    """What a dispatch has not said to the database yet, and what it was told before it asked.

    Nobody can tell the difference: whatever is said next, by the ORM too, goes after what was not
    said yet; and what was told ahead is forgotten as soon as anything else is said. That a
    savepoint begins or ends is said with the next statement too, also by the conversation of a
    command inside.
    """

    def __init__(self) -> None:
        self._outer = _conversation.get()
        self._unsaid: list[Call] = self._outer.turn() if self._outer else []
        self._ahead: list[tuple[Call, list[Row]]] = []
        self.database = connections[DEFAULT_DB_ALIAS]
        self._savepoints = list(self.database.savepoint_ids)
        self._token: Token[Conversation | None] | None = None

    def __enter__(self) -> Self:
        self._token = _conversation.set(self)
        self.database.execute_wrappers.append(self._say_first)
        return self

    def __exit__(self, *_: object) -> None:
        self.database.execute_wrappers.remove(self._say_first)
        if self._token:
            _conversation.reset(self._token)
        if self._outer:
            # A savepoint that nothing was said in is there to be rolled back to all the same.
            self._outer.say_later(*filter(_is_mark, self._unsaid))

    def waits(self) -> bool:
        """Tell whether a statement may wait: not inside a savepoint, which may be rolled back."""
        return self.database.savepoint_ids == self._savepoints

    def say_later(self, *calls: Call) -> None:
        """Have statements wait for the next one. What was told ahead may be otherwise then."""
        self._unsaid += calls
        self._ahead = []

    def hear(self, call: Call, rows: list[Row]) -> None:
        """Remember what a statement would be answered, until anything else is said."""
        self._ahead.append((call, rows))

    def told(self, call: Call) -> list[Row] | None:
        """Give the answer to a statement, if it came ahead."""
        for place, (asked, rows) in enumerate(self._ahead):
            if asked == call:
                del self._ahead[place]
                return rows
        return None

    def turn(self) -> list[Call]:
        """Hand over what has to be said before anything else."""
        calls, self._unsaid, self._ahead = self._unsaid, [], []
        return calls

    def _say_first(self, execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        """Let the ORM speak, once everything before that is said."""
        if _conversation.get() is not self:
            return execute(sql, *rest)
        is_mark = isinstance(sql, str) and sql.startswith(_MARKS)
        # What else waits must not fail within the savepoint that begins after it.
        if (not is_mark or not all(map(_is_mark, self._unsaid))) and (calls := self.turn()):
            _carry(*calls)
        if not is_mark:
            return execute(sql, *rest)
        self.say_later(Call(Statement(sql)))
        return None


def _is_mark(call: Call) -> bool:
    return not call.statement.formats


_conversation: ContextVar[Conversation | None] = ContextVar("audit_conversation", default=None)


def waiting(*, using: str | None = DEFAULT_DB_ALIAS) -> Conversation | None:
    """Find the conversation in which a statement may wait here, if there is one."""
    talk = _conversation.get()
    return talk if talk and using in (None, DEFAULT_DB_ALIAS) and talk.waits() else None


def database() -> BaseDatabaseWrapper:
    """Find the connection, which a dispatch looks up once: it takes Django a microsecond."""
    talk = _conversation.get()
    return talk.database if talk else connections[DEFAULT_DB_ALIAS]


def fetch(statement: Statement, values: Any = ()) -> Row | None:
    """Carry out one statement, and return its first row."""
    rows = send(Call(statement, values))[0]
    return rows[0] if rows else None


def ask(statement: Statement, values: Any) -> list[Row]:
    """Carry out what the ORM would ask, so that Django's count of the queries has it too."""
    note(statement)
    call, talk = Call(statement, values), _conversation.get()
    told = talk.told(call) if talk else None
    return send(call)[0] if told is None else told


def ask_ahead(*calls: Call) -> None:
    """Ask in one trip what is about to be asked one by one, by whoever needs it."""
    talk = _conversation.get()
    if talk:
        for call, answer in zip(calls, send(*calls), strict=True):
            talk.hear(call, answer)


def note(statement: Statement) -> None:
    """Have Django count a statement among the queries."""
    connection = database()
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement.sql.decode(), "time": "0"})


def send(*calls: Call) -> list[list[Row]]:
    """Carry out statements in one round trip, after what waits for it; return the rows of each.

    The first that fails keeps those after it from being carried out, COMMIT among them.
    """
    talk = _conversation.get()
    unsaid = talk.turn() if talk else []
    return _carry(*unsaid, *calls)[len(unsaid) :]


def ending() -> list[Call]:
    """COMMIT, if leaving Django's innermost block would be that; nothing inside another block."""
    connection = database()
    is_last = connection.commit_on_exit and not connection.savepoint_ids
    return [COMMIT] if is_last and not connection.needs_rollback else []


def _carry(*calls: Call) -> list[list[Row]]:
    """Send BEGIN first where Django has opened a transaction that the database does not know of."""
    connection = database()
    connection.ensure_connection()
    raw: Any = connection.connection
    with connection.wrap_database_errors:
        if raw.autocommit or raw.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            return exchange(raw, calls)
        return exchange(raw, (BEGIN, *calls))[1:]
