"""The log feed: every record, in delivery order, without gaps."""

from datetime import timedelta
from typing import NamedTuple, TypeVar

from django.db import connection
from django.db.models import Q, QuerySet

from audit.log.orders import Key, Order
from audit.models.records import Record
from audit.models.transaction_ids import TransactionIdField

_Record = TypeVar("_Record", bound=Record)

DELIVERY = Order(
    "log",
    Key("epoch", int),
    Key("xid", int, TransactionIdField()),
    Key("position", int),
    is_ascending=True,
)

# The lowest transaction in progress that may write to this database. The snapshot knows no
# databases; a transaction is left out only if it is known to run in another one. One that has just
# got its number, or that is in transit between the two lists, counts as ours. The lists have only
# the lower half of a number, which is unique among transactions in progress. A standby knows no
# list, and its snapshot has only the lowest number.
_OLDEST = """
    CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmin(now)::text::bigint ELSE coalesce(
        (SELECT min(xid::text::bigint) FROM pg_snapshot_xip(now) AS xid
            WHERE xid::text::bigint & 4294967295 NOT IN (SELECT low FROM elsewhere)),
        pg_snapshot_xmax(now)::text::bigint) END
"""
# The record at a reader's place, or the last one before a place without a position.
_LAST_READ = """
    epoch = %(epoch)s AND xid = (%(xid)s::text)::xid8 AND %(position)s IN (0, position)
"""
_HORIZON = f"""
    WITH snapshot AS MATERIALIZED (SELECT pg_current_snapshot() AS now),
    elsewhere AS MATERIALIZED (
        SELECT backend_xid::text::bigint AS low FROM pg_stat_activity
            WHERE datname <> current_database() AND backend_xid IS NOT NULL
        UNION ALL SELECT transaction::text::bigint FROM pg_prepared_xacts
            WHERE database <> current_database()
    ),
    present AS MATERIALIZED (
        SELECT (SELECT max(number) FROM audit_epoch) AS epoch, ({_OLDEST})::text::xid8 AS oldest
        FROM snapshot
    ),
    known AS (SELECT max(number) AS epoch FROM audit_epoch WHERE number <= %(epoch)s)
    SELECT present.epoch, (
            SELECT xid FROM audit_commandrecord
            WHERE epoch = present.epoch AND xid < oldest
            ORDER BY epoch DESC, xid DESC, position DESC LIMIT 1
        )::text::bigint,
        known.epoch,
        (SELECT fork_xid FROM audit_epoch WHERE number > known.epoch ORDER BY number LIMIT 1),
        EXISTS (SELECT FROM audit_commandrecord WHERE {_LAST_READ})
            OR EXISTS (SELECT FROM audit_eventrecord WHERE {_LAST_READ})
    FROM present, known
"""
_WRITERS = """
    SELECT pid, usename, application_name, clock_timestamp() - xact_start, age(backend_xid)
    FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()
        AND pid <> pg_backend_pid()
    UNION ALL
    SELECT NULL, owner, 'prepared transaction ' || gid, clock_timestamp() - prepared,
        age(transaction)
    FROM pg_prepared_xacts WHERE database = current_database()
    ORDER BY 5 DESC
"""


class Place(NamedTuple):
    """The place of a reader of the log: after the record with these three numbers."""

    epoch: int = 0
    xid: int = 0
    position: int = 0


class Horizon(NamedTuple):
    """The place up to which readers may read, and the fork that a reader has passed, if any.

    It has passed the fork if the last record that it has read is after it, and missing here.
    """

    place: Place
    fork: Place | None


class Writer(NamedTuple):
    """A transaction in progress that may hold readers back; the oldest one does.

    The serving role sees the ``age`` of other roles' transactions only if it is a member of
    pg_read_all_stats.
    """

    pid: int | None
    role: str
    application: str
    age: timedelta | None


class Rewound(Exception):
    """Another server has continued the log, and lacks records that the reader has read.

    The reader must discard every record after ``place``, and continue from there.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        super().__init__(f"discard the records after {place}, and continue from there")


def settled(records: QuerySet[_Record], *, before: Place) -> QuerySet[_Record]:
    """Return only the records before the horizon.

    Positions are assigned before a transaction commits, so a reader that followed positions would
    skip late commits. Reading stops before the oldest transaction in progress: a transaction that
    stays open delays readers, but never writers. This is the order of delivery, not of causation:
    within one subject, use the number.
    """
    return records.filter(Q(epoch__lt=before.epoch) | Q(epoch=before.epoch, xid__lt=before.xid))


def read_after(kind: type[_Record], place: Place, *, limit: int) -> list[_Record]:
    """Return the next records after a reader's place, at most ``limit``.

    Do not call it in a transaction with a snapshot of its own, REPEATABLE READ or SERIALIZABLE.

    :raises Rewound: if the reader has passed the place where another server continued the log.
    """
    end = horizon(place)
    if end.fork:
        raise Rewound(end.fork)
    following = settled(kind._default_manager.filter(DELIVERY.behind(place)), before=end.place)
    return list(following.order_by(*DELIVERY.sorting())[:limit])


def place_of(record: Record) -> Place:
    """Return the place of a reader that has processed a record."""
    return Place(record.epoch, record.xid, record.position)


def horizon(reader: Place) -> Horizon:
    """Return the place of a reader that has seen every record that is visible now.

    It is right after the last one: a reader at a higher number, of a transaction without a record,
    would seem to have passed the fork after a failover that loses nothing. Call it before reading,
    in a statement of its own: records that a later statement may not see yet are after this place.
    """
    with connection.cursor() as cursor:
        last_read = reader if reader.position else reader._replace(xid=max(reader.xid - 1, 0))
        cursor.execute(_HORIZON, last_read._asdict())
        newest, last, known, fork_xid, is_here = cursor.fetchone()
    place = Place(newest, 0 if last is None else last + 1)
    fork = None if is_here or fork_xid is None else Place(known, fork_xid)
    return Horizon(place, fork if fork and reader > fork else None)


def writers() -> list[Writer]:
    """Return the transactions in progress that may hold readers back, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS)
        return [Writer(*row[:-1]) for row in cursor.fetchall()]
