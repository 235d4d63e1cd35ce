"""Checkpoints: created, claimed for one transaction, and moved."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from audit.bus import store
from audit.log import feed
from audit.log.feed import Place
from audit.models.queries import Row
from audit.models.subscriptions import Checkpoint
from audit.reactions.declarations import Start, Subscription
from audit.wire import pipeline
from audit.wire.statements import Call, Statement

#: Events a second, of which a minute later only a third counts. The clock may go back.
RATE = """rate * exp(-greatest(0, extract(epoch FROM clock_timestamp() - moved_at)::float8) / 60)
                + %(handled)s::int / 60.0::float8"""
# The lock takes no transaction id, so a worker that waits holds no one back. The checkpoint is read
# in a statement of its own: its snapshot must be younger than the lock.
_LOCK = Statement("SELECT pg_try_advisory_xact_lock(hashtextextended(%s::text, 7305))")
_READ = Statement(
    "SELECT epoch, xid::text::bigint, position FROM audit_checkpoint"
    " WHERE name = %s AND partition = %s::int AND state = 'running'"
)
# No row means that another worker has moved the checkpoint, or that the subscription was paused.
# The division fails, so a COMMIT that is sent with this statement is not executed.
_MOVE = Statement(f"""
    WITH moved AS (
        UPDATE audit_checkpoint SET epoch = %(epoch)s::int, xid = %(xid)s::text::xid8,
            position = %(position)s::bigint, handled = handled + %(handled)s::int,
            failed = failed + %(failed)s::int, moved_at = clock_timestamp(),
            rate = {RATE}
        WHERE name = %(name)s AND partition = %(partition)s::int AND state = 'running'
            AND epoch = %(old_epoch)s::int AND xid = %(old_xid)s::text::xid8
            AND position = %(old_position)s::bigint
        RETURNING 1
    )
    SELECT 1 / count(*) FROM moved
""")  # noqa: S608  # a constant
_AT_TIME = Statement("""
    SELECT epoch, xid::text::bigint, position - 1 FROM audit_eventrecord
    WHERE occurred_at >= %s::timestamptz ORDER BY epoch, xid, position LIMIT 1
""")


class Slot(NamedTuple):
    """One partition of a subscription, by its name, and the number of all its partitions."""

    name: str
    partition: int
    partitions: int


def ensure(subscription: Subscription) -> int:
    """Create the missing checkpoints, and return the stored number of partitions."""
    found = Checkpoint.objects.filter(name=subscription.name).first()
    if found:
        return found.partitions
    create(subscription, place=_starting_place(subscription.starts))
    return Checkpoint.objects.filter(name=subscription.name).latest("partition").partitions


def create(subscription: Subscription, *, place: Place) -> None:
    """Create the checkpoints, unless another worker has."""
    with transaction.atomic():
        Checkpoint.objects.bulk_create(
            (
                Checkpoint(
                    name=subscription.name,
                    partition=partition,
                    partitions=subscription.partitions,
                    epoch=place.epoch,
                    xid=place.xid,
                    position=place.position,
                )
                for partition in range(subscription.partitions)
            ),
            ignore_conflicts=True,
        )


def claim(slot: Slot) -> Place | None:
    """Return the place of a partition, locked to the end of the transaction.

    None if another worker has it, or if the subscription is paused.
    """
    (locked,), found = pipeline.send(
        Call(_LOCK, [f"{slot.name}/{slot.partition}"]), Call(_READ, [slot.name, slot.partition])
    )
    is_locked = locked[0]
    return Place(*found[0]) if is_locked and found else None


def move(slot: Slot, *, old: Place, new: Place, handled: int, failed: int = 0) -> None:
    """Move the checkpoint that this transaction has claimed, and commit.

    :raises DataError: if it is no longer at its old place, or the subscription is paused.
    """
    values = {
        **slot._asdict(),
        "handled": handled,
        "failed": failed,
        **new._asdict(),
        **{f"old_{key}": value for key, value in old._asdict().items()},
    }
    # Deferred constraints fail here, even if Django sends COMMIT later.
    last = pipeline.commit_if_outermost() or [store.CHECK_CONSTRAINTS]
    pipeline.send(Call(_MOVE, values), *last)


def _starting_place(starts: Start) -> Place:
    if starts == "beginning":
        return Place()
    found: Row | None = None
    if isinstance(starts, datetime):
        found = pipeline.fetch(_AT_TIME, [starts])
    return Place(*found) if found else feed.horizon(Place()).place
