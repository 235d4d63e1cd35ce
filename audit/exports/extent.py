"""Which records an export holds: those that a search finds in one state of the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from audit.models import CommandRecord, Epoch, EventRecord
from audit.search.activity import Activity, activity, counted, oldest
from audit.search.criteria import Criteria
from audit.search.cursors import Cursor
from audit.search.reading import read_page

CHUNK = 1_000
_BEGINNING = Cursor(datetime.min.replace(tzinfo=UTC), 0)


class Row(NamedTuple):
    """An attempt at a command with its events."""

    record: CommandRecord
    events: list[EventRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state of the database, as PostgreSQL names it: xmin:xmax:those under way in between.

    The log only grows, and each of its rows names its transaction. So what was there at that
    moment can be told long afterwards, and no transaction has to stay open during a download.
    """

    epoch: int
    xmin: int
    xmax: int
    under_way: frozenset[int]

    @classmethod
    def now(cls) -> "Snapshot":
        """Take the present one."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_snapshot()::text")
            xmin, xmax, under_way = cursor.fetchone()[0].split(":")
        return cls(
            epoch=Epoch.objects.latest("number").number,
            xmin=int(xmin),
            xmax=int(xmax),
            under_way=frozenset(map(int, filter(None, under_way.split(",")))),
        )

    def __str__(self) -> str:
        under_way = ",".join(map(str, sorted(self.under_way)))
        return f"{self.epoch}/{self.xmin}:{self.xmax}:{under_way}"

    def has(self, record: CommandRecord) -> bool:
        """Tell whether a record was there. Transactions are numbered anew in each epoch."""
        if record.epoch != self.epoch:
            return record.epoch < self.epoch
        return record.xid < self.xmax and record.xid not in self.under_way


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a search finds in a state of the database."""

    criteria: Criteria
    snapshot: Snapshot

    def about(self) -> Activity | None:
        """Count the rows, or estimate them; None where even that would take too long."""
        first = self.criteria.since or oldest(self.criteria)
        until = self.criteria.until or timezone.now()
        if first is None or first >= until:
            return counted([], [until, until])
        return activity(self.criteria, [first, until])

    def rows(self) -> Iterator[Row]:
        """Read the rows by time, the oldest first, in constant memory."""
        return chain.from_iterable(self._chunks())

    def _chunks(self) -> Iterator[list[Row]]:
        place: Cursor | None = _BEGINNING
        while place is not None:
            found = read_page(self.criteria, size=CHUNK, after=place)
            place = found.newer
            yield _whole([each for each in reversed(found.records) if self.snapshot.has(each)])


def _whole(records: list[CommandRecord]) -> list[Row]:
    """Add the events, and what a search does not read: two queries."""
    events: dict[tuple[UUID, int], list[EventRecord]] = {}
    ids = {record.command_id for record in records}
    # Whoever may see a command may see its events, for both carry its tenant.
    for event in EventRecord.objects.filter(command_id__in=ids).order_by("position"):
        events.setdefault((event.command_id, event.attempt), []).append(event)
    positions = [record.position for record in records]
    rows = CommandRecord.objects.filter(position__in=positions)
    said = {position: rest for position, *rest in rows.values_list("position", "data", "decision")}
    for record in records:
        record.data, record.decision = said[record.position]
    return [Row(record, events.get((record.command_id, record.attempt), [])) for record in records]
