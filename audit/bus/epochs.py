"""Automatic epochs: the first write to another server begins one, as a recorded command."""

import random
import time
from collections.abc import Iterable

from django.db import DEFAULT_DB_ALIAS, IntegrityError, transaction

from audit.actors.actors import SYSTEM
from audit.bus import store
from audit.bus.attempts import Attempt
from audit.bus.context import Context
from audit.log import epochs
from audit.log.commands import BeginEpoch, EpochBegun
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord

_REASON = "The log continues on another server, timeline or database."


def settle(records: Iterable[CommandRecord]) -> list[bool]:
    """Record attempts that were rolled back, as `store.settle` does, in an epoch of this server."""
    rows = list(records)
    try:
        return store.settle(rows)
    except IntegrityError as error:
        if not store.lacks_epoch(error):
            raise
    ensure()
    return store.settle(rows)


def before_retry(*, lacks_epoch: bool) -> None:
    """Prepare another run of a transaction that collided, or wrote to another server."""
    if lacks_epoch:
        ensure()
    # The other transaction retries as well: not at the same time.
    time.sleep(random.uniform(0.001, 0.02))  # noqa: S311  # no secret


def ensure(*, using: str = DEFAULT_DB_ALIAS) -> int:
    """Return the number of this server's epoch; begin it if it is missing.

    It does not go through the middleware: a policy that held it would stop every command.
    """
    return epochs.current(using=using) or _begin(using=using)


def _begin(*, using: str) -> int:
    with transaction.atomic(using=using):
        epochs.wait_for_turn(using=using)
        return epochs.current(using=using) or _begin_alone(using=using)


def _begin_alone(*, using: str) -> int:
    attempt = Attempt(BeginEpoch(), Context(actor=SYSTEM, channel="server", reason=_REASON))
    attempt.outcome = Completed(command_id=attempt.context.command_id)
    number = epochs.start(attempt.context.command_id, using=using)
    attempt.context.emit(EpochBegun(number=number))
    store.append_directly(attempt.record(), attempt.emitted(), using=using)
    return number
