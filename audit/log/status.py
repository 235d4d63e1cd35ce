"""The current status of a command, from its attempts."""

from uuid import UUID

from audit.messages.exceptions import RolledBack
from audit.models.records import CommandRecord, Status


def present_record(command_id: UUID) -> CommandRecord:
    """Find the record that says where a command stands: a final one, else the last one.

    :raises CommandRecord.DoesNotExist: if there is no such command.
    """
    records = list(CommandRecord.objects.filter(command_id=command_id))
    if not records:
        raise CommandRecord.DoesNotExist
    return max(records, key=weight)


def weight(record: CommandRecord) -> tuple[bool, bool, int]:
    """Order the attempts at a command by how much they say of where it stands.

    What was rolled back together with the command around it says nothing: it may be replayed.
    """
    is_void = record.error_code == RolledBack.code
    return Status(record.status).is_final, not is_void, record.attempt
