"""Reading the events that a partition of a subscription has not handled yet."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from audit.log.feed import Place
from audit.models.records import EventRecord
from audit.reactions.checkpoints import Slot
from audit.wire import pipeline, rows
from audit.wire.statements import Call, Statement


class Unhandled(NamedTuple):
    """An event, and whether its subject has events that were set aside."""

    record: EventRecord
    is_blocked: bool


def read(
    slot: Slot, message_types: Sequence[str], *, after: Place, before: Place, limit: int
) -> list[Unhandled]:
    """Return the next events after a place, in the order of the log, and before the horizon."""
    values = {
        **slot._asdict(),
        "patterns": _patterns(message_types),
        "limit": limit,
        **after._asdict(),
        "end_epoch": before.epoch,
        "end_xid": before.xid,
    }
    (found,) = pipeline.send(Call(_statement(), values))
    return [Unhandled(rows.loaded(EventRecord, row), is_blocked) for *row, is_blocked in found]


def partition_sql(*, of: str) -> str:
    """Write the partition of an event as SQL, given the parameter ``partitions``."""
    subject = f"{of}.subject_type || ':' || {of}.subject_id"
    return f"abs(hashtextextended({subject}, 0) % %(partitions)s::int)"


@cache
def _statement() -> Statement:
    columns = rows.columns(EventRecord, of="found")
    return Statement(f"""
        SELECT {columns}, EXISTS (
                SELECT FROM audit_setback AS setback WHERE setback.name = %(name)s
                    AND setback.subject_type = found.subject_type
                    AND setback.subject_id = found.subject_id)
        FROM audit_eventrecord AS found
        WHERE (epoch, xid, position)
                > (%(epoch)s::int, %(xid)s::text::xid8, %(position)s::bigint)
            AND (epoch, xid) < (%(end_epoch)s::int, %(end_xid)s::text::xid8)
            AND message_type LIKE ANY (%(patterns)s::text[])
            AND {partition_sql(of="found")} = %(partition)s::int
        ORDER BY epoch, xid, position LIMIT %(limit)s::int
    """)  # noqa: S608  # put together from constants


def _patterns(message_types: Sequence[str]) -> list[str]:
    """Return patterns for LIKE, in which only the asterisk stands for other text."""
    return [re.sub(r"([\\%_])", r"\\\1", each).replace("*", "%") for each in message_types]
