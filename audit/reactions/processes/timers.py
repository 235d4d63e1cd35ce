"""Timers: steps of processes that are due, each taken once by any of the workers."""

import json
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog
from django.db import transaction

from audit.bus import failures
from audit.bus.cases import Cause, reacting
from audit.bus.dispatch import react
from audit.reactions.processes import instances
from audit.reactions.processes.declarations import find, processes
from audit.reactions.workers import runs
from audit.wire import pipeline
from audit.wire.statements import Call, Statement

logger = structlog.get_logger(__name__)

# A chain of reactions that waits for this long is no loop.
_LONG = timedelta(minutes=1)
_BACKOFF = (1, 5, 30, 300, 1800)
# The instance is locked before its timer, as it is when it reacts to an event. Its columns are
# those under the lock; the timer is read from the snapshot, so it is checked again.
_DUE = Statement("""
    SELECT timer.id, step, due_at, set_at, timer.command_id, failures,
        process, key, instance.id, state::text, schema_version, now()
    FROM audit_processtimer AS timer
    JOIN audit_processinstance AS instance ON instance.id = instance_id
    WHERE due_at <= now() AND process = ANY(%s::text[]) AND NOT EXISTS (
        SELECT FROM audit_checkpoint AS paused WHERE name = process AND paused.state = 'paused')
    ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE OF instance SKIP LOCKED
""")
_TAKE = Statement(
    "DELETE FROM audit_processtimer WHERE id = %s AND due_at = %s::timestamptz RETURNING true"
)
_REPEAT = Statement("""
    UPDATE audit_processtimer SET due_at = now() + %s::interval, set_at = now(), failures = 0,
        error = '' WHERE id = %s AND due_at = %s::timestamptz RETURNING true
""")
_FAILED = Statement("""
    UPDATE audit_processtimer SET due_at = now() + %s::interval, failures = failures + 1,
        error = %s WHERE id = %s AND due_at = %s::timestamptz
""")
_MISSING = Statement("""
    SELECT process, step FROM unnest(%s::text[], %s::text[]) AS declared (process, step)
    WHERE NOT EXISTS (
        SELECT FROM audit_processinstance AS instance
        JOIN audit_processtimer AS timer ON instance_id = instance.id
        WHERE instance.process = declared.process AND key = '' AND timer.step = declared.step)
""")


class Timer(Protocol):
    """The columns of a timer by which a worker recognizes the one that it has read."""

    @property
    def id(self) -> int: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def failures(self) -> int: ...


class _Due(NamedTuple):
    """A timer that is due, with the locked row of its instance."""

    id: int
    step: str
    due_at: datetime
    set_at: datetime
    command_id: UUID | None
    failures: int
    process: str
    key: str
    instance_id: int
    state: str
    schema_version: int
    now: datetime

    @property
    def cause(self) -> Cause | None:
        """The command that set the timer, or caused the process to do so."""
        if self.command_id is None:
            return None
        is_long_past = self.due_at - self.set_at >= _LONG
        return Cause(command_id=self.command_id, is_long_past=is_long_past)

    def stored(self) -> instances.Stored:
        """Return the row of its instance."""
        return instances.Stored(
            self.instance_id,
            json.loads(self.state),
            self.schema_version,
            self.now,
            is_new=False,
        )


@runs("processes")
def take_due_step() -> bool:
    """Take the step that has been due for longest; return True if there may be another one.

    A step that fails is undone, and retried: at last every half an hour.
    """
    if not processes():
        return False
    taken: list[_Due] = []
    try:
        return react(partial(_take_due, taken))
    except Exception as error:
        if not taken or failures.is_connection_lost(error):
            raise
        _log(taken[-1], error)
        note_failure(taken[-1], error)
        return True


def _take_due(taken: list[_Due]) -> bool:
    _begin_repeated()
    row = pipeline.fetch(_DUE, [[each.name for each in processes() if not each.is_long]])
    if row is None:
        return False
    due = _Due(*row)
    if _is_ours(due):
        taken.append(due)
        _take(due)
    return True


def _begin_repeated() -> None:
    """Schedule the repeated steps that are not scheduled yet."""
    repeated = [(each, step) for each in processes() for step in each.intervals]
    names = [[each.name for each, _ in repeated], [step for _, step in repeated]]
    missing = pipeline.send(Call(_MISSING, names))[0] if repeated else []
    for declared, step in repeated:
        if (declared.name, step) in missing:
            stored = instances.lock(declared, "")
            instances.schedule(stored, {step: stored.now}, command_id=None)


def _is_ours(due: _Due) -> bool:
    """Return True if no other worker has taken the step; none can from here on."""
    declared = find(due.process)
    interval = declared.intervals.get(due.step) if declared else None
    if interval is None:
        return pipeline.fetch(_TAKE, [due.id, due.due_at]) is not None
    return is_repeated(due, interval=interval)


def _take(due: _Due) -> None:
    declared = find(due.process)
    if declared is None:
        return
    stored = due.stored()
    instance = instances.loaded(declared, due.key, stored)
    with reacting(due.cause, declared.actor):
        getattr(instance, due.step)()
    instances.save(declared, instance, stored, command_id=due.command_id)


def is_repeated(timer: Timer, *, interval: timedelta) -> bool:
    """Schedule a step again; return False if another worker has taken it."""
    return pipeline.fetch(_REPEAT, [interval, timer.id, timer.due_at]) is not None


def _log(due: _Due, error: Exception) -> None:
    name = type(error).__name__
    logger.error("step_failed", process=due.process, key=due.key, step=due.step, error=name)


def note_failure(timer: Timer, error: Exception) -> None:
    """Schedule the next attempt at a step that has failed."""
    pause = _BACKOFF[min(timer.failures, len(_BACKOFF) - 1)]
    with transaction.atomic(durable=True):
        values = [timedelta(seconds=pause), type(error).__name__, timer.id, timer.due_at]
        pipeline.send(Call(_FAILED, values), *pipeline.commit_if_outermost())
