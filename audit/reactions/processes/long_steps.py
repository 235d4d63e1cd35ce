"""Long steps: work at intervals that no transaction may last for, each by one worker at a time."""

import time
from collections.abc import Callable, Collection, Generator
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeAlias

from audit.bus import failures
from audit.bus.cases import reacting
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, react
from audit.messages.classes import Command
from audit.models.queries import PreparedQuery
from audit.reactions.processes import timers
from audit.reactions.processes.declarations import Declared, declare_long_process
from audit.reactions.processes.process import CHANNEL
from audit.reactions.workers import runs_long

#: Its parts, after each of which a worker can stop, and the command that records the result.
Parts: TypeAlias = Generator[None, None, Command]
_Function: TypeAlias = Callable[[], Parts]

#: If a worker takes longer for one part, or is killed, another one begins from the start.
LEASE = timedelta(minutes=2)
# After how many seconds the lease is renewed, and how often an idle worker looks at the timer.
_RENEW_SECONDS, _LOOK_SECONDS = 20.0, 5.0

_BEGIN = PreparedQuery("""
    WITH instance AS (
        INSERT INTO audit_processinstance AS present (process, key, state, schema_version)
        VALUES (%(process)s, '', '{}', 1)
        ON CONFLICT (process, key) DO UPDATE SET key = present.key RETURNING id
    )
    INSERT INTO audit_processtimer AS present (instance_id, step, due_at, set_at, failures, error)
    SELECT id, %(step)s, now() + %(interval)s::interval, now(), 0, '' FROM instance
    ON CONFLICT (instance_id, step) DO UPDATE SET due_at = least(present.due_at, excluded.due_at)
    RETURNING id
""")
_FORGET = PreparedQuery("""
    WITH instance AS (
        DELETE FROM audit_processinstance WHERE process = %(process)s RETURNING id
    )
    DELETE FROM audit_processtimer WHERE instance_id IN (SELECT id FROM instance) RETURNING id
""")
# The time at which a claimed timer is due is the end of the lease, and also identifies the worker.
_CLAIM = PreparedQuery("""
    UPDATE audit_processtimer AS timer SET due_at = now() + %(lease)s::interval
    FROM audit_processinstance AS instance
    WHERE instance.id = instance_id AND process = %(process)s AND step = %(step)s
        AND due_at <= now()
    RETURNING timer.id, due_at, failures
""")
_RENEW = PreparedQuery("""
    UPDATE audit_processtimer SET due_at = now() + %s::interval
    WHERE id = %s AND due_at = %s::timestamptz RETURNING id, due_at, failures
""")


class _Lease(NamedTuple):
    """A timer that this worker has claimed up to the time at which it is due again."""

    id: int
    due_at: datetime
    failures: int


def long_step(
    name: str, *, every: Callable[[], timedelta | None], permissions: Collection[str]
) -> Callable[[_Function], _Function]:
    """Declare the generator function that is the only step of a process.

    A worker runs it outside of any transaction, in a thread of its own, up to each ``yield``, after
    which it may have to stop. At the end the command that it returns is sent by the actor
    ``process:<name>``, once. A step that was interrupted or has failed begins from the start.
    ``every`` returns the interval, read at the start of a worker; None stops the repetition.
    """

    def register(function: _Function) -> _Function:
        declared = declare_long_process(name, permissions=permissions)
        runs_long(name)(LongStep(declared, function, every).turn)
        return function

    return register


class LongStep:
    """The only step of a process, as one worker takes it."""

    def __init__(
        self, declared: Declared, function: _Function, every: Callable[[], timedelta | None]
    ) -> None:
        self._declared, self._function, self._every = declared, function, every
        self._names = {"process": declared.name, "step": function.__name__, "lease": LEASE}
        self._interval: timedelta | None = None
        self._parts: Parts | None = None
        self._lease: _Lease | None = None
        self._look_at = self._renew_at = 0.0

    def turn(self) -> bool:
        """Run the next part, if it is time; return True if there is another one."""
        if self._lease is None:
            self._lease = self._claimed()
        if self._lease is None:
            return False
        lease = self._lease
        try:
            return self._run_part(lease)
        except Exception as error:
            self._stop()
            if not failures.is_connection_lost(error):
                timers.note_failure(lease, error)
            raise

    def _run_part(self, lease: _Lease) -> bool:
        self._parts = self._parts or self._function()
        try:
            next(self._parts)
        except StopIteration as end:
            react(partial(self._finish, lease, end.value))
            self._stop()
            return False
        return self._renewed(lease)

    def _finish(self, lease: _Lease, command: Command) -> None:
        if timers.is_repeated(lease, interval=self._interval or LEASE):
            actor = self._declared.actor
            with reacting(None, actor):
                dispatch(command, context=Context(actor=actor, channel=CHANNEL))

    def _claimed(self) -> _Lease | None:
        """Return a lease of the timer if it is due."""
        if time.monotonic() < self._look_at:
            return None
        is_first = not self._look_at
        self._look_at = time.monotonic() + _LOOK_SECONDS
        if is_first:
            self._begin()
        row = _CLAIM.first(self._names) if self._interval else None
        self._renew_at = time.monotonic() + _RENEW_SECONDS
        return _Lease(*row) if row else None

    def _begin(self) -> None:
        """Schedule the step, not later than it would be with the interval of today."""
        self._interval = self._every()
        values = {**self._names, "interval": self._interval}
        (_BEGIN if self._interval else _FORGET).first(values)

    def _renewed(self, lease: _Lease) -> bool:
        """Renew the lease if it is time; return False if another worker has taken the step over."""
        if time.monotonic() < self._renew_at:
            return True
        self._renew_at = time.monotonic() + _RENEW_SECONDS
        row = _RENEW.first([LEASE, lease.id, lease.due_at])
        if row is None:
            self._stop()
            return False
        self._lease = _Lease(*row)
        return True

    def _stop(self) -> None:
        self._lease = self._parts = None
