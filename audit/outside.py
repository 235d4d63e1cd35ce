"""Direct database changes: for fixtures, data migrations and operators, and recorded."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from django.db import DEFAULT_DB_ALIAS, transaction

from audit.actors.actors import SYSTEM
from audit.bus import epochs, store
from audit.bus.attempts import Attempt
from audit.bus.context import Context, running
from audit.log.commands import ChangeOutsideCommand
from audit.messages.outcomes import Completed
from audit.tracking import direct_changes
from audit.tracking.direct_changes import Touched
from audit.tracking.migrations import keep_history


@contextmanager
def outside_command(reason: str, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Allow the block to write to guarded tables, and record a command with the reason.

    The block and its record commit together. Each subject that it changed has an event. If these
    belong to several tenants, there is a record for each of them as well. Inside a migration, pass
    the alias that it runs on.

    :raises ValueError: if the reason is empty.
    """
    if not reason.strip():
        message = "give a reason for changing data outside commands"
        raise ValueError(message)
    context = Context(actor=SYSTEM, channel="outside", reason=reason)
    with transaction.atomic(using=using):
        epochs.ensure(using=using)
        keep_history(using=using)
        since = direct_changes.newest_history(using=using)
        store.stamp_directly(context, using=using)
        with running(context):
            yield
        _record(context, direct_changes.grown(since, using=using), using=using)


def _record(context: Context, since: direct_changes.Since, *, using: str) -> None:
    touched = direct_changes.touched(context.command_id, since=since, using=using)
    tenants = [each.tenant for each in touched if each.tenant]
    is_of_one = len(touched) == 1
    context.tenant = touched[0].tenant if is_of_one else ""
    parts = {
        each: context if is_of_one or not each.tenant else _part(each, context) for each in touched
    }
    by_tenant = {each.tenant: part.command_id for each, part in parts.items()}
    direct_changes.emit(context.command_id, since=since, by_tenant=by_tenant, using=using)
    for each, part in parts.items():
        if part is not context:
            _append(part, each.subjects, [each.tenant], using=using)
    named = [subject for each in touched for subject in each.subjects]
    _append(context, named, tenants, using=using)


def _part(touched: Touched, whole: Context) -> Context:
    """Return the context of the record for one of several tenants."""
    part = Context(actor=SYSTEM, channel=whole.channel, reason=whole.reason)
    part.tenant = touched.tenant
    part.causation_id = whole.command_id
    return part


def _append(
    context: Context, subjects: Iterable[str], tenants: Iterable[str], *, using: str
) -> None:
    named = tuple(islice(subjects, direct_changes.MOST_NAMED))
    attempt = Attempt(ChangeOutsideCommand(subjects=named, tenants=tuple(tenants)), context)
    attempt.outcome = Completed(command_id=context.command_id)
    store.append_directly(attempt.record(), using=using)
