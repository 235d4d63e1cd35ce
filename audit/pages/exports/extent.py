"""The records of an export: the results of a search in one state of the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from audit.log.search.activity import activity, oldest
from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment
from audit.log.search.reading import find_page
from audit.log.search.time_ranges import Cursor
from audit.models.records import Epoch

# The number of records that are read at once: a few megabytes of text.
CHUNK = 2_000
_BEGINNING = Cursor(datetime.min.replace(tzinfo=UTC), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state of the database, as PostgreSQL writes it: xmin:xmax:transactions in progress.

    The log only grows, and each of its rows names its transaction. So the rows of that state can be
    found long afterwards, and no transaction has to stay open during a download.
    """

    epoch: int
    transactions: str

    @classmethod
    def now(cls) -> "Snapshot":
        """Return the current state."""
        ((transactions,),) = Fragment("SELECT pg_current_snapshot()::text").fetch()
        return cls(epoch=Epoch.objects.latest("number").number, transactions=transactions)

    def __str__(self) -> str:
        return f"{self.epoch}/{self.transactions}"

    def condition(self) -> Fragment:
        """Return the condition for its records. Each epoch numbers transactions from the start."""
        return Fragment(
            "(epoch < %s OR epoch = %s AND pg_visible_in_snapshot(xid, %s::pg_snapshot))",
            (self.epoch, self.epoch, self.transactions),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The results of a search in a state of the database."""

    criteria: Criteria
    snapshot: Snapshot

    def total(self) -> int | None:
        """Return the number of records; None if they are too many to count."""
        first = self.criteria.since or oldest(self.criteria)
        until = self.criteria.until or timezone.now()
        if first is None or first >= until:
            return 0
        counts = activity(self.criteria, [first, until])
        return None if counts is None else sum(counts)

    def positions(self) -> Iterator[list[int]]:
        """Yield the positions of the records in chunks, the oldest first.

        Records newer than the snapshot are included: `Snapshot.condition` leaves them out.
        """
        place: Cursor | None = _BEGINNING
        while place is not None:
            found = find_page(self.criteria, size=CHUNK, after=place)
            place = found.newer
            yield [each.position for each in found.places]
