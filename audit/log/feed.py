"""The log feed: every record, in delivery order, without gaps."""

from typing import NamedTuple, TypeVar

from django.db import connection
from django.db.models import F, Func, Q, QuerySet, Subquery, TextField
from django.db.models.lookups import LessThan

from audit.log.orders import Key, Order
from audit.models.records import Epoch, Record, TransactionIdField

_Record = TypeVar("_Record", bound=Record)

DELIVERY = Order(
    "log",
    Key("epoch", int),
    Key("xid", int, TransactionIdField()),
    Key("position", int),
    is_ascending=True,
)


class Place(NamedTuple):
    """The place of a reader of the log: after the record with these three numbers."""

    epoch: int = 0
    xid: int = 0
    position: int = 0


def settled(records: QuerySet[_Record]) -> QuerySet[_Record]:
    """Return only the records that readers may see now.

    Positions are assigned before a transaction commits, so a reader that followed positions would
    skip late commits. Reading stops before the oldest transaction in progress: a transaction that
    stays open delays readers, but never writers. This is the order of delivery, not of causation:
    within one subject, use the number.
    """
    snapshot = Func(function="pg_current_snapshot", output_field=TextField())
    oldest = Func(snapshot, function="pg_snapshot_xmin", output_field=TransactionIdField())
    newest_epoch = Epoch.objects.order_by("-number").values("number")[:1]
    is_over = Q(epoch__lt=Subquery(newest_epoch))
    return records.filter(is_over | Q(LessThan(F("xid"), oldest)))


def read_after(kind: type[_Record], place: Place, *, limit: int) -> list[_Record]:
    """Return the next records after a reader's place, at most ``limit``."""
    following = settled(kind._default_manager.filter(DELIVERY.behind(place)))
    return list(following.order_by(*DELIVERY.sorting())[:limit])


def place_of(record: Record) -> Place:
    """Return the place of a reader that has processed a record."""
    return Place(record.epoch, record.xid, record.position)


def horizon() -> Place:
    """Return the place of a reader that has seen every record that is visible now.

    Call it before reading: records that a later statement may not see yet are after this place.
    """
    sql = "SELECT max(number), pg_snapshot_xmin(pg_current_snapshot())::text FROM audit_epoch"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        epoch, xid = cursor.fetchone()
    return Place(epoch, int(xid), 0)
