"""Direct database changes: for fixtures, data migrations and operators, and recorded."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audit.bus import epochs
from audit.bus.attempts import Attempt
from audit.bus.context import Context, running
from audit.log.commands import ChangeOutsideCommand
from audit.messages.outcomes import Completed


@contextmanager
def outside_command(reason: str, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Allow the block to write to guarded tables, and record a command with the reason.

    The block and its record commit together. Inside a migration, pass the alias that it runs on.

    :raises ValueError: if the reason is empty.
    """
    if not reason.strip():
        message = "give a reason for changing data outside commands"
        raise ValueError(message)
    attempt = Attempt(ChangeOutsideCommand(), Context(channel="outside", reason=reason))
    command_id = attempt.context.command_id
    with transaction.atomic(using=using):
        epoch = epochs.ensure(using=using)
        _name_command(str(command_id), using=using)
        with running(attempt.context):
            yield
        attempt.outcome = Completed(command_id=command_id)
        record = attempt.record()
        record.epoch = epoch
        record.save(using=using, force_insert=True)
        # An outer transaction, such as that of a migration, goes on without permission to write.
        _name_command("", using=using)


def _name_command(command_id: str, *, using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', %s, true)", [command_id])
