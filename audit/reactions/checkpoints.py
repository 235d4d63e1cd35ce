"""Checkpoints: created, claimed for one transaction, and moved."""

from collections.abc import Collection
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
_WAIT = Statement("SELECT pg_advisory_xact_lock(hashtextextended(%s::text, 7305))")
_READ = Statement(
    "SELECT epoch, xid::text::bigint, position FROM audit_checkpoint"
    " WHERE name = %s AND partition = %s::int AND partitions = %s::int AND state = 'running'"
)
# No row means that another worker has moved the checkpoint, that the subscription was paused, or
# that it has another number of partitions now.
# The division fails, so a COMMIT that is sent with this statement is not executed.
_MOVE = Statement(f"""
    WITH moved AS (
        UPDATE audit_checkpoint SET epoch = %(epoch)s::int, xid = %(xid)s::text::xid8,
            position = %(position)s::bigint, handled = handled + %(handled)s::int,
            failed = failed + %(failed)s::int, moved_at = clock_timestamp(),
            rate = {RATE}
        WHERE name = %(name)s AND partition = %(partition)s::int AND state = 'running'
            AND partitions = %(partitions)s::int AND epoch = %(old_epoch)s::int
            AND xid = %(old_xid)s::text::xid8 AND position = %(old_position)s::bigint
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


def counts(names: Collection[str]) -> dict[str, int]:
    """Return the stored numbers of partitions by the names of subscriptions."""
    found = Checkpoint.objects.filter(name__in=names, partition=0)
    return dict(found.values_list("name", "partitions"))


def ensure(subscription: Subscription) -> int:
    """Create the checkpoints if they are missing, and return the stored number of partitions."""
    if subscription.name not in counts([subscription.name]):
        create(subscription, place=_starting_place(subscription.starts))
    return counts([subscription.name])[subscription.name]


def create(subscription: Subscription, *, place: Place) -> None:
    """Create the checkpoints, unless there are some."""
    with transaction.atomic():
        pipeline.send(Call(_WAIT, [subscription.name]))
        if subscription.name in counts([subscription.name]):
            return
        Checkpoint.objects.bulk_create(
            Checkpoint(
                name=subscription.name,
                partition=partition,
                partitions=subscription.partitions,
                **place._asdict(),
            )
            for partition in range(subscription.partitions)
        )


def lock_all(name: str) -> list[Checkpoint]:
    """Return the checkpoints of a subscription, once no worker is moving them, and locked."""
    for number in range(counts([name])[name]):
        pipeline.send(Call(_WAIT, [_lock_of(name, number)]))
    return list(Checkpoint.objects.select_for_update().filter(name=name).order_by("partition"))


def place_of(checkpoint: Checkpoint) -> Place:
    """Return the place of a partition."""
    return Place(checkpoint.epoch, checkpoint.xid, checkpoint.position)


def claim(slot: Slot) -> Place | None:
    """Return the place of a partition, locked to the end of the transaction.

    None if another worker has it, if the subscription is paused, or if it has another number of
    partitions now.
    """
    lock = Call(_LOCK, [_lock_of(slot.name, slot.partition)])
    (locked,), found = pipeline.send(lock, Call(_READ, [*slot]))
    is_locked = locked[0]
    return Place(*found[0]) if is_locked and found else None


def move(slot: Slot, *, old: Place, new: Place, handled: int, failed: int = 0) -> None:
    """Move the checkpoint that this transaction has claimed, and commit.

    :raises DataError: if it is no longer at its old place or no longer running.
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


def _lock_of(name: str, partition: int) -> str:
    return f"{name}/{partition}"


def _starting_place(starts: Start) -> Place:
    if starts == "beginning":
        return Place()
    found: Row | None = None
    if isinstance(starts, datetime):
        found = pipeline.fetch(_AT_TIME, [starts])
    return Place(*found) if found else feed.horizon(Place()).place
