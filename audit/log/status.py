"""The current status of a command, from its attempts."""

from collections.abc import Collection, Sequence

from audit.messages.exceptions import RolledBack
from audit.models.records import CommandRecord, Status


def current(
    records: Sequence[CommandRecord], *, allowed: Collection[str] | None = None
) -> CommandRecord:
    """Return the record with a command's current status: the one with the greatest `_weight`.

    ``allowed`` are the statuses that a held command can have by what holds it: a record with
    another one did not come from the bus.
    """
    fitting = [each for each in records if allowed is None or each.status in allowed]
    held = [each for each in records if each.status == Status.POSTPONED]
    return max(fitting or held, key=_weight)


def _weight(record: CommandRecord) -> tuple[bool, bool, int]:
    """Return a sort key: the greatest attempt at a command has its current status.

    An attempt that was rolled back with its outer command counts least: it may be replayed.
    """
    is_void = record.error_code == RolledBack.code
    return Status(record.status).is_final, not is_void, record.attempt
