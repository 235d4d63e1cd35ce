"""Which records an export holds: those that a search finds in one state of the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection
from django.utils import timezone

from audit.log.search.activity import activity, oldest
from audit.log.search.criteria import Criteria
from audit.log.search.reading import find_page
from audit.log.search.scans import Fragment
from audit.log.search.time_ranges import Cursor
from audit.models.records import Epoch

#: How many records are read at once: some megabytes of text.
CHUNK = 2_000
_BEGINNING = Cursor(datetime.min.replace(tzinfo=UTC), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state of the database, as PostgreSQL writes it: xmin:xmax:those under way in between.

    The log only grows, and each of its rows names its transaction. So what was there at that
    moment can be told long afterwards, and no transaction has to stay open during a download.
    """

    epoch: int
    transactions: str

    @classmethod
    def now(cls) -> "Snapshot":
        """Take the present one."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_snapshot()::text")
            (transactions,) = cursor.fetchone()
        return cls(epoch=Epoch.objects.latest("number").number, transactions=transactions)

    def __str__(self) -> str:
        return f"{self.epoch}/{self.transactions}"

    def condition(self) -> Fragment:
        """Tell in SQL whether a record was there. Transactions are numbered anew in each epoch."""
        return Fragment(
            "(epoch < %s OR epoch = %s AND pg_visible_in_snapshot(xid, %s::pg_snapshot))",
            (self.epoch, self.epoch, self.transactions),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a search finds in a state of the database."""

    criteria: Criteria
    snapshot: Snapshot

    def total(self) -> int | None:
        """Count the rows; None if they are too many to count."""
        first = self.criteria.since or oldest(self.criteria)
        until = self.criteria.until or timezone.now()
        if first is None or first >= until:
            return 0
        counts = activity(self.criteria, [first, until])
        return None if counts is None else sum(counts)

    def positions(self) -> Iterator[list[int]]:
        """Find where the records are, a chunk at a time, the oldest first.

        What was not there yet is found too: `Snapshot.condition` leaves it out.
        """
        place: Cursor | None = _BEGINNING
        while place is not None:
            found = find_page(self.criteria, size=CHUNK, after=place)
            place = found.newer
            yield [each.position for each in found.places]
