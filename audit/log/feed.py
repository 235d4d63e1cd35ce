"""Following the log: everything, in the order of delivery, and nothing skipped."""

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
    """Where a reader of the log stands: behind the record with these three numbers."""

    epoch: int = 0
    xid: int = 0
    position: int = 0


def settled(records: QuerySet[_Record]) -> QuerySet[_Record]:
    """Leave out what a reader may not see yet.

    Positions are given before a transaction commits, so a reader that followed them would skip
    whatever commits late. Reading stops before the oldest transaction that is still under way;
    one that stays open for long holds its readers back, but never the writers. This is the order
    of delivery, not of cause and effect: within one subject, go by the number.
    """
    snapshot = Func(function="pg_current_snapshot", output_field=TextField())
    oldest = Func(snapshot, function="pg_snapshot_xmin", output_field=TransactionIdField())
    newest_epoch = Epoch.objects.order_by("-number").values("number")[:1]
    is_over = Q(epoch__lt=Subquery(newest_epoch))
    return records.filter(is_over | Q(LessThan(F("xid"), oldest)))


def read_after(kind: type[_Record], place: Place, *, limit: int) -> list[_Record]:
    """Read what comes next for a reader, which goes on behind the last record that it got."""
    following = settled(kind._default_manager.filter(DELIVERY.behind(place)))
    return list(following.order_by(*DELIVERY.sorting())[:limit])


def place_of(record: Record) -> Place:
    """Where a reader stands once it has dealt with a record."""
    return Place(record.epoch, record.xid, record.position)


def horizon() -> Place:
    """Where a reader stands that has seen all there is to see now.

    Ask before reading: what a later statement may not see yet is behind this place.
    """
    sql = "SELECT max(number), pg_snapshot_xmin(pg_current_snapshot())::text FROM audit_epoch"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        epoch, xid = cursor.fetchone()
    return Place(epoch, int(xid), 0)
