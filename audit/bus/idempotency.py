"""Idempotent replies, and the outcome of attempts that were rolled back or may have committed."""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from django.db import Error

from audit.bus import failures
from audit.bus.attempts import Attempt
from audit.bus.context import Context
from audit.bus.postponements import current_record
from audit.messages.classes import Command, codecs, generated_fields
from audit.messages.exceptions import Failed as FailedError
from audit.messages.exceptions import IdempotencyKeyReused, SameAsEarlier
from audit.messages.exceptions import Refused as RefusedError
from audit.messages.outcomes import Completed, Outcome, Postponed
from audit.models.records import CommandRecord, EventRecord, Status
from audit.subjects import types


def first_record(attempt: Attempt, *, position: int) -> CommandRecord:
    """Return the first record of the command that this one repeats.

    :raises IdempotencyKeyReused: if the key came with another request before. This attempt is
        then recorded without the key.
    """
    return _same(attempt, CommandRecord.objects.get(pk=position))


def answer(attempt: Attempt, first: CommandRecord) -> Outcome | None:
    """Return the outcome of the repeated command, or None if it failed.

    If it failed, the attempt becomes the next one at that command, with its ids. A command that
    failed after its approval stays failed: it does not run again without approval.

    :raises Refused: if the repeated command was refused or cancelled.
    :raises Failed: if it was held, and failed in execution.
    """
    current = current_record(first.command_id)
    if current.status == Status.FAILED and first.status == Status.FAILED:
        attempt.continue_as(current, _with_generated_values(attempt.command, first))
        return None
    return _outcome(current)


def settle(attempts: Sequence[Attempt], unit: Sequence[Attempt], error: Exception) -> list[Outcome]:
    """Record attempts that were rolled back and raise the error.

    If the log already has outcomes of them, return these. ``unit`` has all attempts made in the
    transaction.
    """
    failing = next((attempt for attempt in reversed(attempts) if attempt in unit), None)
    if failing is None and isinstance(error, Error):
        # The database is unavailable, so nothing was started.
        raise failures.command_error(error, attempts[0]) from error
    if failing is None:
        raise error
    failing.error = failures.command_error(error, failing)
    record_undone(unit, error)
    if failing.is_logged:
        failures.log(failing)
        raise failing.error
    failures.log_after_commit(failing, error)
    return [truth(attempt) for attempt in attempts]


def record_undone(unit: Sequence[Attempt], error: Exception) -> None:
    """Record all attempts that were made in a transaction that was rolled back."""
    for attempt in unit:
        attempt.roll_back()
    if unit:
        failures.record(unit, error)


def truth(attempt: Attempt) -> Outcome:
    """Return the outcome in the log for an attempt whose own record conflicted with it.

    Either its own COMMIT succeeded although the connection was lost, or another request with the
    same Idempotency-Key was first.
    """
    own = CommandRecord.objects.filter(
        command_id=attempt.context.command_id, attempt=attempt.context.attempt
    ).first()
    # By transaction, because a concurrent repeat may have made the same attempt.
    if own and own.xid == attempt.xid and attempt.outcome:
        return attempt.outcome
    try:
        first = own or _same(attempt, _twin(attempt.context))
    except IdempotencyKeyReused as reused:
        # It has no key now, so its record conflicts no longer.
        attempt.error = reused
        failures.record([attempt], reused)
        raise
    return _outcome(current_record(first.command_id))


def _twin(context: Context) -> CommandRecord:
    return CommandRecord.objects.get(
        actor_kind=context.actor.kind,
        actor_id=context.actor.id,
        idempotency_key=context.idempotency_key,
        attempt=1,
    )


def _same(attempt: Attempt, first: CommandRecord) -> CommandRecord:
    if not hmac.compare_digest(attempt.fingerprint, bytes(first.fingerprint)):
        attempt.context.idempotency_key = None
        raise IdempotencyKeyReused
    return first


def _outcome(current: CommandRecord) -> Outcome:
    if current.error_code == SameAsEarlier.code and current.decision:
        return _outcome(current_record(UUID(current.decision["same_as"])))
    if current.status == Status.SUCCEEDED:
        subject_type = types.subject_type(current.result_type)
        result = subject_type.load(current.result_id) if subject_type else None
        emitted = EventRecord.objects.filter(command_id=current.command_id)
        return Completed(
            command_id=current.command_id,
            result=result,
            is_repeat=True,
            is_unchanged=not emitted.exists(),
        )
    if current.status == Status.POSTPONED:
        return Postponed(
            command_id=current.command_id, result_id=current.subject_id, is_repeat=True
        )
    error: FailedError | RefusedError
    if current.status == Status.FAILED:
        # The recorded cause is for operators only.
        error = FailedError.from_record(current.error_code, "")
    else:
        error = RefusedError.from_record(current.error_code, current.error_message)
    error.command_id, error.is_repeat = current.command_id, True
    raise error


def _with_generated_values(command: Command, stored: CommandRecord) -> Command:
    known = codecs(type(command))
    names = generated_fields(type(command))
    return replace(command, **{name: known[name].load(stored.data[name]) for name in names})
