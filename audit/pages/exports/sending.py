"""Sending an export: on record before its first byte, and again after its last one."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.log.commands import EndExport, ExportRecords
from audit.pages.exports.extent import Extent
from audit.pages.exports.formats import FORMATS, Format
from audit.wire.arrays import array


class Lines(NamedTuple):
    """Some lines of the file, without the last one's line feed, and of how many rows they are."""

    text: bytes
    rows: int


@dataclass(slots=True, kw_only=True)
class Export:
    """An export that is on record, and may be sent once."""

    export_id: UUID
    extent: Extent
    format: Format
    source: str
    context: Context
    _read: int = 0
    _sent: int = 0
    _is_complete: bool = False
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def content(self) -> Iterator[bytes]:
        """Write the file, a chunk at a time, and in the end how much of it has left.

        Whoever hangs up ends the iteration; then what was sent is on record as broken off.
        """
        try:
            for chunk in self._chunks():
                yield chunk
                self._digest.update(chunk)
                self._sent = self._read
            self._is_complete = True
        finally:
            self._end()

    def _chunks(self) -> Iterator[bytes]:
        before, between = self.format.begins, self.format.between + b"\n"
        for lines in filter(None, map(self._copied, self.extent.positions())):
            self._read += lines.rows
            yield before + lines.text
            before = between
        yield self.format.ends if self._read else self.format.nothing

    def _copied(self, positions: list[int]) -> Lines | None:
        """Have the database write the lines of some records; None if all came after the export."""
        there = self.extent.snapshot.condition()
        sql = f"""
            COPY (
                SELECT {self.format.line}
                FROM (SELECT * FROM audit_commandrecord
                    WHERE position = ANY(%s::bigint[]) AND {there.sql}
                    ORDER BY received_at, position) AS command
                CROSS JOIN (SELECT %s::text AS address) AS log
            ) TO STDOUT WITH ({self.format.copied_as})
        """
        # COPY takes no parameters, so psycopg writes the values into it.
        operations: Any = connection.ops
        whole = operations.compose_sql(sql, [array(positions), *there.params, self.source])
        with connection.cursor() as cursor:
            with cursor.copy(whole) as copy:
                text = b"".join(copy)
            rows = cursor.rowcount
        return Lines(self._joined(text[:-1]), rows) if rows else None

    def _joined(self, text: bytes) -> bytes:
        between = self.format.between
        return text.replace(b"\n", between + b"\n") if between else text

    def _end(self) -> None:
        command = EndExport(
            export_id=self.export_id,
            rows=self._sent,
            sha256=self._digest.hexdigest(),
            is_complete=self._is_complete,
        )
        dispatch(command, context=replace(self.context, reason=""))


def begin(
    extent: Extent, *, format_name: str, search: str, source: str, context: Context
) -> Export:
    """Put an export on record, so that it may be sent.

    :raises Refused: if it may not.
    :raises Failed: if it cannot be recorded.
    """
    command = ExportRecords(
        format=format_name,  # type: ignore[arg-type]  # checked by the command itself
        search=search,
        snapshot=str(extent.snapshot),
    )
    dispatch(command, context=context)
    return Export(
        export_id=command.export_id,
        extent=extent,
        format=FORMATS[format_name],
        source=source,
        context=context,
    )
