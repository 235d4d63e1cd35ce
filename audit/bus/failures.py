"""Failures: errors of commands as refusals and failures, and their records."""

import time
from collections.abc import Sequence

import psycopg
import structlog
from django.core.exceptions import ObjectDoesNotExist
from django.db import Error, connection

from audit.bus import epochs, store
from audit.bus.attempts import Attempt
from audit.messages import exceptions
from audit.messages.characters import actor_name
from audit.messages.outcomes import ReplayFailed, ReplayRefused
from audit.messages.tracebacks import traceback_of
from audit.models.records import CommandRecord
from audit.subjects import types
from audit.wire import pipeline

logger = structlog.get_logger(__name__)

_RECONNECT_AFTER_SECONDS = (0.0, 0.1, 0.4, 1.0)
# No further attempt to record begins after this: the caller is waiting.
_RECORD_WITHIN_SECONDS = 8
_READ_ONLY = "25006"
_DEADLOCKS = frozenset({"40P01", "40001"})
# A statement that is no longer prepared is prepared again, but only in another transaction.
_FORGOTTEN = frozenset({"26000"})
# The exception is in its last line.
_LONGEST_TRACEBACK = 100_000
_TIMEOUTS = frozenset({"57014", "55P03"})
# The server closed the connection: an operator, a crash, a restart, or an idle timeout.
_ENDINGS = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
# The second of two requests finds the record of the first when it runs again.
_FIRST_COME = frozenset({"audit_command_attempt_once", "audit_command_idempotency_key_once"})


def command_error(error: Exception, attempt: Attempt) -> exceptions.Refused | exceptions.Failed:
    """Return the refusal or failure for an error of a command, with the command's id."""
    found: exceptions.Refused | exceptions.Failed
    if isinstance(error, exceptions.Refused | exceptions.Failed):
        found = error
    elif isinstance(error, ObjectDoesNotExist):
        found = types.not_found(attempt.context.subject)
    else:
        found = _failure(error)
    if found is not error:
        found.__cause__ = error
    found.command_id = attempt.context.command_id
    return found


def stopped(
    attempt: Attempt, error: exceptions.Refused | exceptions.Failed
) -> ReplayRefused | ReplayFailed:
    """Return the outcome of a replay that did not complete."""
    command_id = attempt.context.command_id
    if isinstance(error, exceptions.Refused):
        return ReplayRefused(command_id=command_id, error=error)
    return ReplayFailed(command_id=command_id, error=error)


def append_undone(
    undone: Sequence[Attempt], error: Exception
) -> exceptions.Refused | exceptions.Failed:
    """Append an attempt that was rolled back to its savepoint, and those made inside it."""
    first = undone[0]
    found = first.error = command_error(error, first)
    log(first)
    for attempt in undone:
        attempt.roll_back()
        store.append(attempt.record())
    return found


def is_collision(error: BaseException) -> bool:
    """Return True if a retry may succeed: a concurrent transaction or a failover is the cause."""
    if not isinstance(error, Error):
        return False
    if _sqlstate(error) in (_DEADLOCKS | _FORGOTTEN) or _constraint(error) in _FIRST_COME:
        return True
    return store.lacks_epoch(error)


def is_read_only(error: BaseException | None) -> bool:
    """Return True if the server accepts no writes, so nothing was changed."""
    return _sqlstate(error) == _READ_ONLY


def is_for_the_outermost(error: BaseException) -> bool:
    """Return True if only the outermost dispatch can handle the error: a savepoint cannot."""
    return is_collision(error) or is_timeout(error) or is_connection_lost(error)


def is_timeout(error: BaseException) -> bool:
    """Return True if the server stopped a statement that ran or waited for too long."""
    return _sqlstate(error) in _TIMEOUTS


def record(attempts: Sequence[Attempt], error: Exception) -> None:
    """Record attempts that were rolled back, and mark those that are then in the log.

    :raises OutcomeUnknown: if the database cannot be reached.
    :raises ConnectionLost: the same, if nothing was changed for certain.
    """
    end = time.monotonic() + _RECORD_WITHIN_SECONDS
    for delay in _RECONNECT_AFTER_SECONDS:
        if time.monotonic() + delay > end:
            break
        time.sleep(delay)
        pipeline.close_if_unusable()
        if is_read_only(error):
            # The next connection may lead to the new primary.
            connection.close()
        try:
            _settle(attempts)
        except Error as problem:
            logger.warning("attempt not recorded yet", problem=type(problem).__name__)
        else:
            return
    log(attempts[0])
    command_id = attempts[0].context.command_id
    logger.critical("attempt not recorded", command_id=str(command_id))
    found = exceptions.ConnectionLost() if is_read_only(error) else exceptions.OutcomeUnknown()
    found.command_id = command_id
    raise found from error


def log(attempt: Attempt) -> None:
    """Log an unexpected failure. Refusals are only recorded."""
    error = attempt.error and attempt.error.__cause__
    if error is None or not isinstance(attempt.error, exceptions.Failed):
        return
    _log("command failed", attempt, error)


def log_after_commit(attempt: Attempt, error: Exception) -> None:
    """Log an error of a function that ran after COMMIT, such as an unreachable queue of jobs.

    The command has succeeded. Functions that were to run after the one that failed did not run.
    """
    if attempt.outcome is None or isinstance(error, Error):
        return
    _log("failed after commit", attempt, error)


def _log(event: str, attempt: Attempt, error: BaseException) -> None:
    logger.error(
        event,
        command_id=str(attempt.context.command_id),
        message_type=attempt.command.message_type,
        traceback=attempt.redact(traceback_of(error), longest=_LONGEST_TRACEBACK),
    )


def _settle(attempts: Sequence[Attempt]) -> None:
    written = epochs.settle([attempt.record() for attempt in attempts])
    for attempt, is_logged in zip(attempts, written, strict=True):
        attempt.is_logged = is_logged


def _failure(error: Exception) -> exceptions.Failed:
    if is_collision(error):
        return exceptions.Deadlocked()
    if is_timeout(error):
        return exceptions.TimedOut()
    return exceptions.ConnectionLost() if is_connection_lost(error) else exceptions.Crashed()


def is_connection_lost(error: BaseException) -> bool:
    """Return True by the error alone: Django may already have connected again."""
    sqlstate = _sqlstate(error)
    if sqlstate is None:
        # It does not come from the server, so it is about the connection.
        return isinstance(error.__cause__, psycopg.OperationalError)
    return sqlstate.startswith("08") or sqlstate in _ENDINGS or sqlstate == _READ_ONLY


def _sqlstate(error: BaseException | None) -> str | None:
    return getattr(error.__cause__, "sqlstate", None) if isinstance(error, Error) else None


def _constraint(error: BaseException) -> str | None:
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)


def no_longer_valid(held: CommandRecord) -> exceptions.Forbidden:
    """Return the refusal of a held command whose requester is gone."""
    requester = actor_name(held.actor_label)
    if held.actor_kind == "user":
        return exceptions.Forbidden(f"The account of the requester, {requester}, is deactivated.")
    message = f"The credential of the requester, {requester}, is no longer valid."
    return exceptions.Forbidden(message)
