"""The bus: the only way to change anything.

A command runs in one transaction with its record and its events. A failed attempt is rolled back
first and then recorded in a separate transaction, so every attempt is in the log, and effects are
in the database if and only if the log has them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from django.db import transaction
from structlog.contextvars import bind_contextvars

from audit.actors import credentials
from audit.actors.actors import SYSTEM
from audit.bus import cases, epochs, failures, idempotency, middleware, store
from audit.bus.attempts import Attempt, refused_input
from audit.bus.context import Context, current_context, outer_context, own_copy
from audit.messages import exceptions
from audit.messages.classes import Command
from audit.messages.outcomes import (
    Completed,
    Outcome,
    Postponed,
    Rehearsal,
    ReplayCheck,
    ReplayOutcome,
    Trial,
)
from audit.models.records import CommandRecord
from audit.wire import pipeline
from audit.wire.pipeline import Pipeline
from audit.wire.statements import Call

MOST_RETRIES = 3

_Result = TypeVar("_Result")

# The attempts made in the outermost transaction that this code runs in, oldest first.
_unit: ContextVar[list[Attempt] | None] = ContextVar("audit_unit", default=None)


def dispatch(command: Command, *, context: Context | None = None) -> Outcome:
    """Execute a command, or hold it for approval.

    Inside a handler the command becomes part of the handler's transaction and case; without a
    context it has the same actor, channel and reason.

    :raises TypeError: if there is no context elsewhere.
    :raises Refused: if the command is refused.
    :raises Failed: if it failed; nothing was changed.
    """
    if parent := current_context():
        return _inside(Attempt(command, cases.inherited(context or parent, parent)))
    if reaction := cases.current_reaction():
        return _inside(Attempt(command, cases.caused(context, *reaction)))
    return _commit([Attempt(command, own_copy(context))])[0]


def react(run: Callable[[], _Result], *, retries: int = 0) -> _Result:
    """Run a function in an outermost transaction without a command of its own.

    It runs again from the start after a collision, three times at most. The attempts at commands
    that it made are recorded even if it raises.
    """
    unit: list[Attempt] = []
    token = _unit.set(unit)
    try:
        with transaction.atomic(durable=True), Pipeline() as deferred:
            result = run()
            deferred.flush()
            return result
    except Exception as error:
        if not failures.is_collision(error) or retries == MOST_RETRIES:
            idempotency.record_undone(unit, error)
            raise
        lacks_epoch = store.lacks_epoch(error)
    finally:
        _unit.reset(token)
    epochs.before_retry(lacks_epoch=lacks_epoch)
    return react(run, retries=retries + 1)


@contextmanager
def attempting() -> Iterator[None]:
    """Run a part of a reaction in a savepoint, after which the reaction can continue.

    If it raises, the attempts at commands that it made are recorded as rolled back.
    """
    before = len(_unit.get() or ())
    try:
        with transaction.atomic():
            yield
    except Exception as error:
        if not (failures.is_collision(error) or failures.is_connection_lost(error)):
            for attempt in (_unit.get() or [])[before:]:
                attempt.roll_back()
                store.append(attempt.record())
        raise


def dispatch_all(commands: Sequence[Command], *, context: Context) -> list[Outcome]:
    """Execute all of the commands in one transaction, as one case, or none of them.

    :raises ApprovalRequired: if one of them would be held.
    :raises CommandError: the error of the first command that is refused or fails.
    """
    attempts: list[Attempt] = []
    for command in commands:
        given = replace(context, idempotency_key=None, expected_number=None, accepts=None)
        given.is_batch = True
        if attempts:
            given.correlation_id = attempts[0].context.correlation_id
        attempts.append(Attempt(command, given))
    return _commit(attempts)


def replay(
    command: Command,
    *,
    held: CommandRecord,
    expected_number: int,
    accepts: Callable[[int], bool] | None = None,
    check: ReplayCheck = bool,
) -> ReplayOutcome:
    """Execute a held command under its own id, inside the command that releases it.

    It acts for the requester, who must still be valid and allowed, and only if the subject, which
    is locked, is at the number of the held command, or at one that ``accepts`` allows. Its record
    is part of the outer transaction, unless ``check`` raises for the result, or it collides.
    """
    actor = credentials.live_actor(held.actor_kind, held.actor_id)
    given = cases.replayed(held, actor, expected_number=expected_number, by=outer_context())
    given.accepts = accepts
    attempt = Attempt(command, given)
    if actor is None:
        return _settle_replay(attempt, failures.no_longer_valid(held), check)
    try:
        with transaction.atomic():
            # Otherwise deferred constraints would fail at the outer COMMIT, with the vote.
            outcome = _run(attempt, ending=lambda: [store.CHECK_CONSTRAINTS])
    except Exception as error:
        if failures.is_for_the_outermost(error):
            raise
        return _settle_replay(attempt, error, check)
    store.stamp(outer_context())
    if isinstance(outcome, Postponed):
        message = f"{held.command_id} was held again when it was released"
        raise TypeError(message)
    check(outcome)
    return outcome


def rehearse(
    command: Command,
    *,
    held: CommandRecord,
    expected_number: int,
    trial: Trial,
    accepts: Callable[[int], bool] | None = None,
) -> Rehearsal:
    """Return the outcome that a replay would have now; nothing is kept, recorded or sent.

    It fails if a statement takes longer than the trial's timeout.
    """
    actor = credentials.live_actor(held.actor_kind, held.actor_id)
    given = cases.replayed(held, actor, expected_number=expected_number, by=Context(actor=SYSTEM))
    given.accepts = accepts
    attempt = Attempt(command, given)
    if actor is None:
        return Rehearsal(outcome=failures.stopped(attempt, failures.no_longer_valid(held)))
    return _rehearsed(attempt, trial)


def preview(command: Command, *, context: Context, trial: Trial) -> Rehearsal:
    """Return the outcome that a dispatch would have now; nothing is kept, recorded or sent.

    An Idempotency-Key is neither read nor used up. It fails if a statement takes longer than the
    trial's timeout.
    """
    return _rehearsed(Attempt(command, replace(context, idempotency_key=None)), trial)


def cancel(held: CommandRecord, error: exceptions.Cancelled) -> None:
    """Record the cancellation of a held command, inside the command that cancels it."""
    store.append(cases.cancelled(held, error, by=outer_context()))


def refuse_input(
    command_class: type[Command], error: exceptions.Invalid, *, context: Context
) -> NoReturn:
    """Record input that no command could be built from, by names and codes only; then raise.

    The Idempotency-Key is not used up: the caller may fix the input and send it again.
    """
    record = refused_input(command_class, error, context=context)
    epochs.settle([record])
    error.command_id = record.command_id
    raise error


def _commit(attempts: Sequence[Attempt], *, retries: int = 0) -> list[Outcome]:
    """Run attempts in one outermost transaction, and again from the start after a collision."""
    unit: list[Attempt] = []
    token = _unit.set(unit)
    *others, last = attempts
    try:
        with transaction.atomic(durable=True):
            return [*map(_run, others), _run(last, ending=pipeline.commit_if_outermost)]
    except Exception as error:
        if not failures.is_collision(error) or retries == MOST_RETRIES:
            return idempotency.settle(attempts, unit, error)
        lacks_epoch = store.lacks_epoch(error)
    finally:
        _unit.reset(token)
        bind_contextvars(command_id=str(last.context.command_id))
    epochs.before_retry(lacks_epoch=lacks_epoch)
    for attempt in attempts:
        attempt.start_again(retries=retries + 1)
    return _commit(attempts, retries=retries + 1)


def _inside(attempt: Attempt) -> Outcome:
    """Run an attempt inside an outer transaction, which may continue if the attempt fails."""
    try:
        with transaction.atomic():
            outcome = _run(attempt)
    except Exception as error:
        if failures.is_for_the_outermost(error) and not failures.is_timeout(error):
            raise
        found = _append_undone(attempt, error)
        if found is error:
            raise
        raise found from error
    store.stamp(current_context())
    return outcome


def _run(attempt: Attempt, *, ending: Callable[[], Sequence[Call]] = list) -> Outcome:
    """Run a command through the middleware and its handler, and append its record and events."""
    unit = _unit.get()
    if unit is None:
        message = "this is possible only inside a command or a reaction"
        raise RuntimeError(message)
    unit.append(attempt)
    with Pipeline():
        return _run_in_pipeline(attempt, unit, ending)


def _run_in_pipeline(
    attempt: Attempt, unit: list[Attempt], ending: Callable[[], Sequence[Call]]
) -> Outcome:
    context = attempt.context
    opening = store.open_transaction(attempt.command, context)
    if opening.twin_position is not None:
        first = idempotency.first_record(attempt, position=opening.twin_position)
        unit.remove(attempt)
        repeated = idempotency.answer(attempt, first)
        if repeated is not None:
            return repeated
        unit.append(attempt)
        store.stamp(context)
    attempt.admit(opening)
    outcome = middleware.run(attempt.command, context)
    if context.is_batch and isinstance(outcome, Postponed):
        raise exceptions.ApprovalRequired
    attempt.complete(outcome)
    store.append(
        attempt.record(),
        attempt.emitted(),
        expected_number=context.expected_number,
        after=ending(),
    )
    return outcome


def _rehearsed(attempt: Attempt, trial: Trial) -> Rehearsal:
    token = _unit.set([attempt])
    try:
        with transaction.atomic(durable=True):
            store.limit_transaction(trial.timeout)
            rehearsal = _run_undone(attempt, trial.look)
            transaction.set_rollback(True)
            return rehearsal
    except Exception as error:
        pipeline.close_if_unusable()
        return Rehearsal(outcome=failures.stopped(attempt, failures.command_error(error, attempt)))
    finally:
        _unit.reset(token)


def _run_undone(attempt: Attempt, look: Callable[[Outcome], Any]) -> Rehearsal:
    """Run an attempt without a record of it, inside a transaction that is rolled back."""
    command, context = attempt.command, attempt.context
    attempt.admit(store.open_transaction(command, context))
    outcome = middleware.run(command, context)
    pipeline.send(*store.advances(attempt.emitted()), store.CHECK_CONSTRAINTS)
    if isinstance(outcome, Completed):
        # No one may see its secret.
        outcome = replace(outcome, secret=None)
    return Rehearsal(outcome=outcome, events=tuple(context.events), seen=look(outcome))


def _settle_replay(attempt: Attempt, error: Exception, check: ReplayCheck) -> ReplayOutcome:
    check(failures.stopped(attempt, failures.command_error(error, attempt)))
    unit = _unit.get()
    if unit is not None and attempt not in unit:
        unit.append(attempt)
    return failures.stopped(attempt, _append_undone(attempt, error))


def _append_undone(attempt: Attempt, error: Exception) -> exceptions.Refused | exceptions.Failed:
    """Append an attempt that was rolled back to its savepoint, and those made inside it."""
    unit = _unit.get() or [attempt]
    return failures.append_undone(unit[unit.index(attempt) :], error)
