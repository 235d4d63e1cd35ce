"""Changing the number of partitions of a subscription that workers are running.

All partitions continue at the place of the one that has come furthest. What the others have not
handled up to there is set aside for now, so it is handled once and in the order of its subject.
"""

from audit.log.feed import Place
from audit.messages.exceptions import Conflict
from audit.models.queries import PreparedQuery
from audit.models.subscriptions import Checkpoint
from audit.reactions import checkpoints
from audit.reactions.checkpoints import Slot
from audit.reactions.declarations import Subscription
from audit.reactions.reading import IS_OF_PARTITION, OF_PARTITION, like_patterns

#: The most events of one partition that may lie between its place and the furthest one.
MOST_BETWEEN = 5_000

# The events wait until `_ARRANGE` schedules the first one of each subject.
_SET_ASIDE = PreparedQuery(f"""
    WITH behind AS (
        INSERT INTO audit_setback (name, partition, subject_type, subject_id, number, event_id,
            state, attempts, error_code, error)
        SELECT %(name)s, 0, subject_type, subject_id, number, id, 'waiting', 0, '', ''
        FROM audit_eventrecord
        WHERE (epoch, xid, position) > (%(epoch)s::int, %(xid)s::text::xid8, %(position)s::bigint)
            AND (epoch, xid, position)
                <= (%(end_epoch)s::int, %(end_xid)s::text::xid8, %(end_position)s::bigint)
            AND message_type LIKE ANY (%(patterns)s::text[]) AND {IS_OF_PARTITION}
        ORDER BY epoch, xid, position LIMIT {MOST_BETWEEN + 1}
        RETURNING 1
    )
    SELECT count(*) FROM behind
""")  # noqa: S608  # put together from constants
_ARRANGE = PreparedQuery(f"""
    WITH arranged AS (
        SELECT subject_type, subject_id, number, {OF_PARTITION} AS of_partition,
            number = min(number) OVER (PARTITION BY subject_type, subject_id) AS is_first
        FROM audit_setback WHERE name = %(name)s
    )
    UPDATE audit_setback AS setback SET partition = of_partition,
        state = CASE
            WHEN is_first AND state = 'waiting' THEN 'retrying'
            WHEN NOT is_first AND state = 'retrying' THEN 'waiting' ELSE state END,
        next_try_at = CASE
            WHEN is_first AND state = 'waiting' THEN now()
            WHEN is_first THEN next_try_at END
    FROM arranged WHERE setback.name = %(name)s
        AND (setback.subject_type, setback.subject_id, setback.number)
            = (arranged.subject_type, arranged.subject_id, arranged.number)
    RETURNING 1
""")  # noqa: S608  # put together from constants


class PartitionsFarApart(Conflict):
    """One partition of the subscription is too far behind another one."""

    title = "Partitions far apart"
    remedy = "Wait until the subscription has caught up."


def repartition(subscription: Subscription, partitions: int) -> None:
    """Replace the checkpoints of a subscription, inside a command.

    :raises PartitionsFarApart: if there are too many events between two of them.
    """
    former = checkpoints.lock_all(subscription.name)
    furthest = max(map(checkpoints.place_of, former))
    for each in former:
        _set_aside(subscription, each, furthest)
    Checkpoint.objects.filter(name=subscription.name).delete()
    Checkpoint.objects.bulk_create(
        _checkpoint(former, Slot(subscription.name, number, partitions), furthest)
        for number in range(partitions)
    )
    _ARRANGE.first({"name": subscription.name, "partitions": partitions})


def _set_aside(subscription: Subscription, checkpoint: Checkpoint, furthest: Place) -> None:
    """Set aside what a partition has not handled up to the furthest place."""
    place = checkpoints.place_of(checkpoint)
    values = {
        "name": subscription.name,
        "patterns": like_patterns(subscription.message_types),
        "partition": checkpoint.partition,
        "partitions": checkpoint.partitions,
        **place._asdict(),
        **{f"end_{key}": value for key, value in furthest._asdict().items()},
    }
    row = _SET_ASIDE.first(values)
    if row and row[0] > MOST_BETWEEN:
        raise PartitionsFarApart


def _checkpoint(former: list[Checkpoint], slot: Slot, place: Place) -> Checkpoint:
    """Return a new checkpoint; the first one has the numbers of all former ones."""
    is_first = slot.partition == 0
    return Checkpoint(
        **slot._asdict(),
        **place._asdict(),
        state=former[0].state,
        handled=sum(each.handled for each in former) if is_first else 0,
        failed=sum(each.failed for each in former) if is_first else 0,
        started_at=min(each.started_at for each in former),
    )
