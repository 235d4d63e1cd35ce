"""What a repeat is told: the present outcome of the command that it repeats."""

import hmac
from dataclasses import replace
from uuid import UUID

from audit import registry
from audit.attempts import Attempt
from audit.exceptions import Failed as FailedError
from audit.exceptions import IdempotencyKeyReused
from audit.exceptions import Refused as RefusedError
from audit.messages import Command, codecs, generated_fields
from audit.models import CommandRecord, Status
from audit.outcomes import Completed, Outcome, Postponed


def answer(attempt: Attempt, *, first_position: int) -> Outcome | None:
    """Answer a repeat under the same Idempotency-Key; None if the earlier one failed.

    Then the attempt has become the next one at the earlier command, under the ids given to that.

    :raises IdempotencyKeyReused: if the key came with another request before.
    :raises Refused: if the earlier one was refused or called off.
    """
    first = CommandRecord.objects.get(pk=first_position)
    _check_fingerprint(attempt, first)
    present = present_record(first.command_id)
    if present.status == Status.FAILED:
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
    # By position, for a repeat at the same time may have made the same attempt.
    if own and own.position == attempt.position and attempt.outcome:
        return attempt.outcome
    kind, identifier, key = attempt.twin
    first = own or CommandRecord.objects.get(
        actor_kind=kind, actor_id=identifier, idempotency_key=key, attempt=1
    )
    _check_fingerprint(attempt, first)
    return _outcome(present_record(first.command_id))


def present_record(command_id: UUID) -> CommandRecord:
    """The record that says where a command stands: final, else held, else its last failure.

    :raises CommandRecord.DoesNotExist: if there is no such command.
    """
    records = list(CommandRecord.objects.filter(command_id=command_id))
    if not records:
        raise CommandRecord.DoesNotExist
    return max(records, key=weight)


def weight(record: CommandRecord) -> tuple[bool, bool, int]:
    """Order the attempts at a command by how much they say of where it stands."""
    status = Status(record.status)
    return status.is_final, status is Status.POSTPONED, record.attempt


def _outcome(present: CommandRecord) -> Outcome:
    if present.status == Status.SUCCEEDED:
        subject_type = registry.subject_type(present.result_type)
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


def _check_fingerprint(attempt: Attempt, stored: CommandRecord) -> None:
    if not hmac.compare_digest(attempt.fingerprint, bytes(stored.fingerprint)):
        raise IdempotencyKeyReused


def _with_generated_values(command: Command, stored: CommandRecord) -> Command:
    known = codecs(type(command))
    return replace(
        command,
        **{name: known[name].load(stored.data[name]) for name in generated_fields(type(command))},
    )
