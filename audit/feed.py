"""Following the log: everything, in the order of delivery, and nothing skipped."""

from typing import NamedTuple, TypeVar

from audit.models import Record

_Record = TypeVar("_Record", bound=Record)


class Place(NamedTuple):
    """Where a reader of the log stands: behind the record with these three numbers."""

    epoch: int = 0
    xid: int = 0
    position: int = 0


def read_after(kind: type[_Record], place: Place, *, limit: int) -> list[_Record]:
    """Read what comes next for a reader, which goes on behind the last record that it got.

    Positions are given before a transaction commits, so a reader that followed them would skip
    whatever commits late. Reading stops before the oldest transaction that is still under way;
    one that stays open for long holds its readers back, but never the writers. This is the order
    of delivery, not of cause and effect: within one subject, go by the number.
    """
    table = kind._meta.db_table
    sql = f"""
        SELECT * FROM {table}
        WHERE (epoch, xid, position) > (%s, %s::xid8, %s)
            AND (epoch < (SELECT max(number) FROM audit_epoch)
                OR xid < pg_snapshot_xmin(pg_current_snapshot()))
        ORDER BY epoch, xid, position LIMIT %s
    """
    return list(
        kind._default_manager.raw(sql, [place.epoch, str(place.xid), place.position, limit])
    )


def place_of(record: Record) -> Place:
    """Where a reader stands once it has dealt with a record."""
    return Place(record.epoch, record.xid, record.position)
