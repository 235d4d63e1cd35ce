"""Sending of exports: logged before the first byte, and again after the last one."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.log.commands import EndExport, ExportRecords
from audit.pages.exports.extent import Extent
from audit.pages.exports.formats import FORMATS, Format
from audit.wire.arrays import array


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export, which may be sent once after its command is logged."""

    command: ExportRecords
    extent: Extent
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
        for positions in self.extent.positions():
            text, copied = self._copied(positions)
            if copied:
                rows += copied
                yield before + text.removesuffix(b"\n").replace(b"\n", between), rows
                before = between
        yield self.format.ends if rows else self.format.nothing, rows

    def _copied(self, positions: list[int]) -> tuple[bytes, int]:
        """Return the lines of those records that the snapshot has, and their number."""
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
            return text, cursor.rowcount
