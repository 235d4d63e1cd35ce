"""Files of exports: the results of a search in one state of the database.

An export is logged before the first byte is sent, and again after the last one.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.log import approvals
from audit.log.commands import EndExport, ExportRecords
from audit.log.search.activity import activity, oldest
from audit.log.search.criteria import Criteria
from audit.log.search.fragments import Fragment
from audit.log.search.reading import find_page
from audit.log.search.time_ranges import Cursor
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, Epoch
from audit.pages.exports.formats import FORMATS, Format
from audit.pages.labels import labeled
from audit.subjects.names import found
from audit.wire import pipeline
from audit.wire.arrays import array

# The number of records that are read at once: a few megabytes of text.
CHUNK = 2_000
_COLUMNS = ("command_id", "attempt", "status", "message_type", "subject_type", "subject_id")
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


def total(criteria: Criteria) -> int | None:
    """Return the number of records to export; None if they are too many to count."""
    first = criteria.since or oldest(criteria)
    until = criteria.until or timezone.now()
    if first is None or first >= until:
        return 0
    counts = activity(criteria, [first, until])
    return None if counts is None else sum(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export, which may be sent once after its command is logged."""

    command: ExportRecords
    criteria: Criteria
    snapshot: Snapshot
    source: str
    context: Context

    @property
    def format(self) -> Format:
        return FORMATS[self.command.format]

    def content(self) -> Iterator[bytes]:
        """Yield the file in chunks, then log how much was sent.

        A client that disconnects closes this generator: the export is logged as incomplete.
        """
        digest, sent, is_complete = hashlib.sha256(), 0, False
        try:
            for chunk, rows in self._chunks():
                yield chunk
                digest.update(chunk)
                sent = rows
            is_complete = True
        finally:
            # The connection may have ended, with the export or while the client read it.
            connection.errors_occurred = True
            pipeline.close_if_unusable()
            command = EndExport(
                export_id=self.command.export_id,
                rows=sent,
                sha256=digest.hexdigest(),
                is_complete=is_complete,
            )
            dispatch(command, context=replace(self.context, reason=""))

    def _chunks(self) -> Iterator[tuple[bytes, int]]:
        """Yield the chunks of the file, each with the number of rows up to its end."""
        before, between, rows = self.format.begins, self.format.between + b"\n", 0
        for positions in self._positions():
            text, copied = self._copied(positions)
            if copied:
                rows += copied
                yield before + text.removesuffix(b"\n").replace(b"\n", between), rows
                before = between
        yield self.format.ends if rows else self.format.nothing, rows

    def _positions(self) -> Iterator[list[int]]:
        """Yield the positions of the records in chunks, the oldest first.

        Records newer than the snapshot are included: `Snapshot.condition` leaves them out.
        """
        place: Cursor | None = _BEGINNING
        while place is not None:
            page = find_page(self.criteria, size=CHUNK, after=place)
            place = page.newer
            yield [each.position for each in page.places]

    def _copied(self, positions: list[int]) -> tuple[bytes, int]:
        """Return the lines of those records that the snapshot has, and their number."""
        if not positions:
            return b"", 0
        there, named = self.snapshot.condition(), self._named(positions)
        sql = f"""
            COPY (
                SELECT {self.format.line}
                FROM (SELECT * FROM audit_commandrecord
                    WHERE position = ANY(%s::bigint[]) AND {there.sql}) AS command
                JOIN unnest(%s::bigint[], %s::text[], %s::text[])
                    AS named (position, label, approvers) USING (position)
                CROSS JOIN (SELECT %s::text AS address) AS log
                ORDER BY command.received_at, position
            ) TO STDOUT WITH ({self.format.copied_as})
        """
        # COPY takes no parameters, so psycopg writes the values into it.
        operations: Any = connection.ops
        params = [array(positions), *there.params, *map(array, zip(*named, strict=True))]
        whole = operations.compose_sql(sql, [*params, self.source])
        with connection.cursor() as cursor:
            with cursor.copy(whole) as copy:
                text = b"".join(copy)
            return self.format.inert(text), cursor.rowcount

    def _named(self, positions: list[int]) -> list[tuple[int, str, str]]:
        """Return the position, the label and the approvers, as a JSON array, of each record."""
        records = list(CommandRecord.objects.filter(pk__in=positions).only(*_COLUMNS))
        reader = self.context.actor
        subjects = (Subject(each.subject_type, each.subject_id) for each in records)
        requests = found(approvals.requests_among(subjects), actor=reader)
        decided = approvals.decided_by(records, rows=requests, actor=reader)
        return [
            (
                record.position,
                labeled(record.message_type, held_command=each.held_command),
                json.dumps(each.approvers),
            )
            for record, each in zip(records, decided, strict=True)
        ]
