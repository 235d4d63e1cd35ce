"""Reading the events that a partition of a subscription has not handled yet."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from audit.log.feed import Place
from audit.messages.classes import Subject
from audit.models.records import EventRecord
from audit.reactions.checkpoints import Slot
from audit.wire import pipeline, rows
from audit.wire.statements import Call, Statement

# How far to look for events with a lower number that come later in the order of the log.
_LOOK_AHEAD = 10_000
_MOST_NEWS = 1_000


class Unhandled(NamedTuple):
    """An event; whether its subject has events that were set aside, or earlier ones to come.

    Earlier ones follow if their transaction began later, and committed sooner.
    """

    record: EventRecord
    is_blocked: bool
    is_early: bool

    @property
    def must_wait(self) -> bool:
        """True if the event has to be set aside."""
        return self.is_blocked or self.is_early

    @property
    def subject(self) -> Subject:
        """The subject of the event."""
        return Subject(self.record.subject_type, self.record.subject_id)


class News(NamedTuple):
    """The type of a new event, and the hash of its subject."""

    message_type: str
    subject_hash: int

    def concerns(self, slot: Slot) -> bool:
        """Return True if the subject belongs to a partition."""
        return abs(self.subject_hash) % slot.partitions == slot.partition


def read(
    slot: Slot, message_types: Sequence[str], *, after: Place, before: Place, limit: int
) -> list[Unhandled]:
    """Return the next events after a place, in the order of the log, and before the horizon."""
    values = {
        **slot._asdict(),
        "patterns": like_patterns(message_types),
        "limit": limit,
        **after._asdict(),
        "end_epoch": before.epoch,
        "end_xid": before.xid,
    }
    (found,) = pipeline.send(Call(_statement(), values))
    return [
        Unhandled(rows.loaded(EventRecord, row), is_blocked, is_early)
        for *row, is_blocked, is_early in found
    ]


def news(*, after: Place, before: Place) -> list[News] | None:
    """Return the events between two places; None if there are many."""
    values = {**after._asdict(), "end_epoch": before.epoch, "end_xid": before.xid}
    (found,) = pipeline.send(Call(_NEWS, values))
    return [News(*row) for row in found] if len(found) < _MOST_NEWS else None


def first_unread(subject: Subject, *, after: Place, up_to: int) -> int:
    """Return the lowest number of a subject that comes after a place; ``up_to`` if none is lower.

    An event that was set aside must wait until those with lower numbers have been read.
    """
    values = {"type": subject.type, "id": subject.id, "up_to": up_to, **after._asdict()}
    row = pipeline.fetch(_FIRST_UNREAD, values)
    return row[0] if row else up_to


def matcher(message_types: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern of the types of a subscription."""
    return re.compile("|".join(re.escape(each).replace(r"\*", ".*") for each in message_types))


_HASH = "hashtextextended(subject_type || ':' || subject_id, 0)"
#: The partition of a subject.
OF_PARTITION = f"abs(mod({_HASH}, %(partitions)s::int))"
#: The condition that an event is of a partition.
IS_OF_PARTITION = f"{OF_PARTITION} = %(partition)s::int"
_RANGE = """
    (epoch, xid, position) > (%(epoch)s::int, %(xid)s::text::xid8, %(position)s::bigint)
    AND (epoch, xid) < (%(end_epoch)s::int, %(end_xid)s::text::xid8)
"""
_NEWS = Statement(f"""
    SELECT message_type, {_HASH} FROM audit_eventrecord
    WHERE {_RANGE} ORDER BY epoch, xid, position LIMIT {_MOST_NEWS}
""")  # noqa: S608  # put together from constants
_FIRST_UNREAD = Statement("""
    SELECT coalesce(min(number), %(up_to)s::bigint) FROM audit_eventrecord
    WHERE subject_type = %(type)s AND subject_id = %(id)s AND number < %(up_to)s::bigint
        AND (epoch, xid, position) > (%(epoch)s::int, %(xid)s::text::xid8, %(position)s::bigint)
""")


@cache
def _statement() -> Statement:
    every = rows.columns(EventRecord, of="event")
    # Positions of a subject grow with its numbers. So an earlier event that comes later has a lower
    # position than one of this batch, as the index shows.
    return Statement(f"""
        WITH event AS MATERIALIZED (
            SELECT * FROM audit_eventrecord
            WHERE {_RANGE} AND message_type LIKE ANY (%(patterns)s::text[])
                AND {IS_OF_PARTITION}
            ORDER BY epoch, xid, position LIMIT %(limit)s::int
        ),
        last AS (SELECT * FROM event ORDER BY epoch DESC, xid DESC, position DESC LIMIT 1),
        following AS MATERIALIZED (
            SELECT position FROM audit_eventrecord
            WHERE (epoch, xid, position) > ((SELECT epoch FROM last), (SELECT xid FROM last),
                (SELECT position FROM last))
            ORDER BY epoch, xid, position LIMIT {_LOOK_AHEAD}
        ),
        late AS MATERIALIZED (
            SELECT epoch, xid, position, subject_type, subject_id, number FROM event
            UNION ALL
            SELECT epoch, xid, position, subject_type, subject_id, number
            FROM audit_eventrecord WHERE position IN (
                SELECT position FROM following WHERE position < (SELECT max(position) FROM event))
        )
        SELECT {every},
            EXISTS (
                SELECT FROM audit_setback AS setback WHERE setback.name = %(name)s
                    AND setback.subject_type = event.subject_type
                    AND setback.subject_id = event.subject_id),
            EXISTS (
                SELECT FROM late WHERE late.subject_type = event.subject_type
                    AND late.subject_id = event.subject_id AND late.number < event.number
                    AND (late.epoch, late.xid, late.position)
                        > (event.epoch, event.xid, event.position))
        FROM event ORDER BY epoch, xid, position
    """)  # noqa: S608  # put together from constants


def like_patterns(message_types: Sequence[str]) -> list[str]:
    """Return patterns for LIKE, in which only the asterisk stands for other text."""
    return [re.sub(r"([\\%_])", r"\\\1", each).replace("*", "%") for each in message_types]
