"""What a repeat is told: the present outcome of the command that it repeats."""

import hmac
from dataclasses import replace
from uuid import UUID

from audit.bus.attempts import Attempt
from audit.log.status import present_record
from audit.messages.classes import Command, codecs, generated_fields
from audit.messages.exceptions import Failed as FailedError
from audit.messages.exceptions import IdempotencyKeyReused, SameAsEarlier
from audit.messages.exceptions import Refused as RefusedError
from audit.messages.outcomes import Completed, Outcome, Postponed
from audit.models.records import CommandRecord, Status
from audit.subjects import types


def first_record(attempt: Attempt, *, position: int) -> CommandRecord:
    """Find the command that this one repeats.

    :raises IdempotencyKeyReused: if the key came with another request before. Then this attempt
        goes on record without the key, which belongs to that one.
    """
    return _same(attempt, CommandRecord.objects.get(pk=position))


def answer(attempt: Attempt, first: CommandRecord) -> Outcome | None:
    """Answer a repeat under the same Idempotency-Key; None if the earlier one failed.

    Then the attempt has become the next one at the earlier command, under the ids given to that.
    One that failed after it was approved stays failed: it does not run again without approval.

    :raises Refused: if the earlier one was refused or called off.
    :raises Failed: if it was held, and failed when it was carried out.
    """
    present = present_record(first.command_id)
    if present.status == Status.FAILED and first.status == Status.FAILED:
        attempt.continue_as(present, _with_generated_values(attempt.command, first))
        return None
    return _outcome(present)


def truth(attempt: Attempt) -> Outcome:
    """Answer an attempt that could not be written down, because the log knows better.

    Either its own COMMIT was carried out although the connection was lost over it, or another
    request under the same Idempotency-Key came first.
    """
    own = CommandRecord.objects.filter(
        command_id=attempt.context.command_id, attempt=attempt.context.attempt
    ).first()
    # By transaction, for a repeat at the same time may have made the same attempt.
    if own and own.xid == attempt.xid and attempt.outcome:
        return attempt.outcome
    kind, identifier, key = attempt.twin
    twins = CommandRecord.objects.filter(idempotency_key=key, attempt=1)
    first = own or _same(attempt, twins.get(actor_kind=kind, actor_id=identifier))
    return _outcome(present_record(first.command_id))


def _same(attempt: Attempt, first: CommandRecord) -> CommandRecord:
    if not hmac.compare_digest(attempt.fingerprint, bytes(first.fingerprint)):
        attempt.context.idempotency_key = None
        raise IdempotencyKeyReused
    return first


def _outcome(present: CommandRecord) -> Outcome:
    if present.error_code == SameAsEarlier.code and present.decision:
        return _outcome(present_record(UUID(present.decision["same_as"])))
    if present.status == Status.SUCCEEDED:
        subject_type = types.subject_type(present.result_type)
        result = subject_type.load(present.result_id) if subject_type else None
        return Completed(command_id=present.command_id, result=result, is_repeat=True)
    if present.status == Status.POSTPONED:
        return Postponed(
            command_id=present.command_id, result_id=present.subject_id, is_repeat=True
        )
    kind = FailedError if present.status == Status.FAILED else RefusedError
    error = kind.from_record(present.error_code, present.error_message)
    error.command_id = present.command_id
    raise error


def _with_generated_values(command: Command, stored: CommandRecord) -> Command:
    known = codecs(type(command))
    return replace(
        command,
        **{name: known[name].load(stored.data[name]) for name in generated_fields(type(command))},
    )
