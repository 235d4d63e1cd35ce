"""The current status of a command, from its attempts."""

from uuid import UUID

from audit.messages.exceptions import RolledBack
from audit.models.records import CommandRecord, Status


def present_record(command_id: UUID) -> CommandRecord:
    """Return the record with a command's current status: the one with the greatest `weight`.

    :raises CommandRecord.DoesNotExist: if there is no such command.
    """
    records = list(CommandRecord.objects.filter(command_id=command_id))
    if not records:
        raise CommandRecord.DoesNotExist
    return max(records, key=weight)


def weight(record: CommandRecord) -> tuple[bool, bool, int]:
    """Return a sort key: the greatest attempt at a command has its current status.

    An attempt that was rolled back with its outer command counts least: it may be replayed.
    """
    is_void = record.error_code == RolledBack.code
    return Status(record.status).is_final, not is_void, record.attempt
