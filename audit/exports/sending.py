"""Sending an export: on record before its first byte, and again after its last one."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from uuid import UUID

from audit import bus
from audit.commands import EndExport, ExportRecords
from audit.context import Context
from audit.exports.extent import Extent, Row
from audit.exports.formats import FORMATS, Format

_LINES_AT_ONCE = 250


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
        lines = self.format.write(self._rows(), self.source)
        while gathered := "".join(islice(lines, _LINES_AT_ONCE)):
            yield gathered.encode()

    def _rows(self) -> Iterator[Row]:
        for row in self.extent.rows():
            self._read += 1
            yield row

    def _end(self) -> None:
        command = EndExport(
            export_id=self.export_id,
            rows=self._sent,
            sha256=self._digest.hexdigest(),
            is_complete=self._is_complete,
        )
        bus.dispatch(command, context=replace(self.context, reason=""))


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
    bus.dispatch(command, context=context)
    return Export(
        export_id=command.export_id,
        extent=extent,
        format=FORMATS[format_name],
        source=source,
        context=context,
    )
