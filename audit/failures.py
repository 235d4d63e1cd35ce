"""What stopped a command, in the words of the log and of the caller."""

import traceback

import structlog
from django.core.exceptions import ObjectDoesNotExist
from django.db import Error, connection

from audit import exceptions
from audit.attempts import Attempt, not_found_message

logger = structlog.get_logger(__name__)

_DEADLOCKS = frozenset({"40P01", "40001"})
_TIMEOUTS = frozenset({"57014", "55P03"})


def command_error(error: Exception, attempt: Attempt) -> exceptions.CommandError:
    """Find the words for whatever stopped a command, and log what nobody foresaw."""
    if isinstance(error, exceptions.CommandError):
        found = error
    elif isinstance(error, ObjectDoesNotExist):
        found = exceptions.NotFound(not_found_message(attempt.context))
    else:
        found = _failure(error)
        found.__cause__ = error
        _log(error, attempt)
    found.command_id = attempt.context.command_id
    return found


def is_deadlock(error: BaseException) -> bool:
    """Whether the database broke the transaction off so that another one could go on."""
    return _sqlstate(error) in _DEADLOCKS


def is_for_the_outermost(error: BaseException) -> bool:
    """Whether only the outermost dispatch can deal with an error, because no savepoint heals it."""
    return _sqlstate(error) in _DEADLOCKS | _TIMEOUTS or _is_connection_lost(error)


def _failure(error: Exception) -> exceptions.Failed:
    if is_deadlock(error):
        return exceptions.Deadlocked()
    if _sqlstate(error) in _TIMEOUTS:
        return exceptions.TimedOut()
    return exceptions.ConnectionLost() if _is_connection_lost(error) else exceptions.Crashed()


def _log(error: Exception, attempt: Attempt) -> None:
    logger.error(
        "command failed",
        command_id=str(attempt.context.command_id),
        message_type=attempt.command.message_type,
        traceback=attempt.redact("".join(traceback.format_exception(error))),
    )


def _is_connection_lost(error: BaseException) -> bool:
    lost = connection.connection is None or connection.connection.closed
    return isinstance(error, Error) and lost


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None) if isinstance(error, Error) else None
