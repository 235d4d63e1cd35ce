"""Direct database changes: for fixtures, data migrations and operators, and recorded."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, transaction

from audit.bus import epochs, store
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
        epochs.ensure(using=using)
        store.name_command(str(command_id), using=using)
        with running(attempt.context):
            yield
        attempt.outcome = Completed(command_id=command_id)
        store.append_directly(attempt.record(), using=using)
