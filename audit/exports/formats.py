"""How an export is written: as CSV, as JSON lines, or as a batch of CloudEvents."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from typing import Any, NamedTuple, TypeAlias

from django.core.serializers.json import DjangoJSONEncoder

from audit.exports.extent import Row
from audit.models import CommandRecord, EventRecord

# What a spreadsheet would take for the beginning of a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COMMAND = tuple(
    field.attname
    for field in CommandRecord._meta.concrete_fields
    if field.attname not in ("fingerprint", "xid", "epoch")
)
_EVENT = (
    "id",
    "message_type",
    "schema_version",
    "data",
    "subject_type",
    "subject_id",
    "number",
    "occurred_at",
)

#: Takes the rows and the address of the log, and gives the lines of the file: one for each row,
#: and at most one before and one after them.
Writes: TypeAlias = Callable[[Iterable[Row], str], Iterator[str]]


class Format(NamedTuple):
    """A way to write an export."""

    label: str
    content_type: str
    extension: str
    write: Writes


def _csv(rows: Iterable[Row], source: str) -> Iterator[str]:
    yield _csv_line([*_COMMAND, "events"])
    for row in rows:
        values = [_cell(getattr(row.record, name)) for name in _COMMAND]
        yield _csv_line([*values, _json([_event(event) for event in row.events])])


def _csv_line(values: Iterable[str]) -> str:
    line = StringIO()
    csv.writer(line).writerow([_inert(value) for value in values])
    return line.getvalue()


def _inert(text: str) -> str:
    """Keep a spreadsheet from carrying a value out."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case dict() | list():
            return _json(value)
        case _ if hasattr(value, "isoformat"):
            return str(value.isoformat())
        case _:
            return str(value)


def _jsonl(rows: Iterable[Row], source: str) -> Iterator[str]:
    for row in rows:
        events = [_event(event) for event in row.events]
        yield _json(_command(row.record) | {"events": events}) + "\n"


def _cloudevents(rows: Iterable[Row], source: str) -> Iterator[str]:
    """Write a JSON batch (CloudEvents 1.0.2, JSON format, section 4).

    A command is an event of its own, followed by those that it emitted, in the same line. A file
    that lacks the closing bracket has been broken off.
    """
    before = "[\n"
    for row in rows:
        told = [_cloud_command(row.record, source)]
        told += [_cloud_event(event, source) for event in row.events]
        yield before + ", ".join(map(_json, told))
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def _cloud_command(record: CommandRecord, source: str) -> dict[str, Any]:
    return _cloud(
        record,
        source,
        id=f"{record.command_id}/{record.attempt}",
        time=record.received_at,
        status=record.status,
        traceparent=record.traceparent,
        data=_command(record),
    )


def _cloud_event(event: EventRecord, source: str) -> dict[str, Any]:
    number = str(event.number)
    return _cloud(
        event, source, id=event.id, time=event.occurred_at, sequence=number, data=event.data
    )


def _cloud(record: CommandRecord | EventRecord, source: str, **own: Any) -> dict[str, Any]:
    """Put the attributes together that both have; none of them may be empty."""
    subject = f"{record.subject_type}:{record.subject_id}" if record.subject_type else ""
    attributes = {
        "specversion": "1.0",
        "type": record.message_type,
        "source": source,
        "subject": subject,
        "schemaversion": record.schema_version,
        "commandid": record.command_id,
        "attempt": record.attempt,
        "correlationid": record.correlation_id,
        "causationid": record.causation_id,
        "tenant": record.tenant,
        "datacontenttype": "application/json",
    }
    told = attributes | own
    return {name: value for name, value in told.items() if value not in ("", None)}


def _command(record: CommandRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _COMMAND}


def _event(event: EventRecord) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _EVENT}


def _json(value: Any) -> str:
    return json.dumps(value, cls=_Encoder, ensure_ascii=False, separators=(",", ":"))


class _Encoder(DjangoJSONEncoder):
    """Writes times with all of their microseconds."""

    def default(self, value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else super().default(value)


FORMATS = {
    "csv": Format("CSV, for spreadsheets", "text/csv; charset=utf-8", "csv", _csv),
    "jsonl": Format("JSON lines, one attempt a line", "application/jsonl", "jsonl", _jsonl),
    "cloudevents": Format(
        "CloudEvents 1.0, a JSON batch",
        "application/cloudevents-batch+json",
        "cloudevents.json",
        _cloudevents,
    ),
}
