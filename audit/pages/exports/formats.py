"""Formats of exports: CSV, JSON lines, or a batch of CloudEvents.

PostgreSQL writes the lines itself, and COPY returns them: to build objects of the rows, and text of
the objects, took fifteen times as long.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from django.db import models

from audit.models.records import CommandRecord, EventRecord
from audit.pages.exports import inert

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
_FORMULA = ", ".join(str(ord(each)) for each in inert.FORMULA)
# Neither character occurs in JSON, so nothing in it is quoted.
_UNQUOTED = r"FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'"


class Format(NamedTuple):
    """A format of exports: the SQL of an attempt's line, and the texts around the lines.

    The SQL may use the tables `command`, `event` and `log`, which has the URL of the log, and
    `named`, which has the command's label, and its approvers as a JSON array.
    """

    label: str
    content_type: str
    extension: str
    line: str
    copied_as: str = _UNQUOTED
    begins: bytes = b""
    #: The text before the line feed between two lines. A line contains no line feed.
    between: bytes = b""
    ends: bytes = b"\n"
    #: The whole file, if there is nothing to export.
    nothing: bytes = b""
    #: The function that replaces the characters that act on a reader of the lines.
    inert: Callable[[bytes], bytes] = inert.in_json


def _value(field: Any, table: str) -> str:
    """Return the SQL of a column in the file: times in microseconds, IP addresses without mask."""
    column = f"{table}.{field.column}"
    match field:
        case models.DateTimeField():
            in_utc = f"{column} AT TIME ZONE 'UTC'"
            return f"""to_char({in_utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
        case models.GenericIPAddressField():
            return f"host({column})"
        case _:
            return column


def _values(model: type[models.Model], names: Iterable[str], table: str) -> dict[str, str]:
    return {name: _value(model._meta.get_field(name), table) for name in names}


def _members(values: dict[str, str]) -> str:
    return ", ".join(f"'{name}', {value}" for name, value in values.items())


def _of_events(aggregate: str) -> str:
    return f"""(SELECT {aggregate} FROM audit_eventrecord AS event
        WHERE event.command_id = command.command_id AND event.attempt = command.attempt)"""


_COMMAND_VALUES = _values(CommandRecord, _COMMAND, "command")
_NAMED = {"label": "named.label", "approvers": "named.approvers::json"}
_EVENT_VALUES = _values(EventRecord, _EVENT, "event")
_EVENT_OBJECT = f"json_build_object({_members(_EVENT_VALUES)})"
_EVENTS = _of_events(f"coalesce(json_agg({_EVENT_OBJECT} ORDER BY event.position), '[]')")


def _cell(name: str) -> str:
    """Return the SQL of a cell that no spreadsheet evaluates as a formula."""
    value = _COMMAND_VALUES[name]
    is_text = isinstance(CommandRecord._meta.get_field(name), models.TextField)
    return _text_cell(value) if is_text else value


def _text_cell(value: str) -> str:
    return f"CASE WHEN ascii({value}) IN ({_FORMULA}) THEN '''' || {value} ELSE {value} END"


def _cloudevent(table: str, *, data: str, **own: str) -> str:
    """Return the SQL of a CloudEvent without empty attributes (CloudEvents 1.0.2, JSON format)."""
    subject = f"{table}.subject_type || ':' || {table}.subject_id"
    attributes = {
        "specversion": "'1.0'",
        "type": f"{table}.message_type",
        "source": "log.address",
        "subject": f"CASE WHEN {table}.subject_type <> '' THEN {subject} END",
        "schemaversion": f"{table}.schema_version",
        "commandid": f"{table}.command_id",
        "attempt": f"{table}.attempt",
        "correlationid": f"{table}.correlation_id",
        "causationid": f"{table}.causation_id",
        "tenant": f"nullif({table}.tenant, '')",
        "datacontenttype": "'application/json'",
    }
    present = f"jsonb_strip_nulls(jsonb_build_object({_members(attributes | own)}))"
    return f"({present} || jsonb_build_object('data', {data}))::text"


_CLOUD_COMMAND = _cloudevent(
    "command",
    id="command.command_id || '/' || command.attempt",
    time=_COMMAND_VALUES["received_at"],
    status="command.status",
    traceparent="nullif(command.traceparent, '')",
    data=f"jsonb_build_object({_members(_COMMAND_VALUES | _NAMED)})",
)
_CLOUD_EVENT = _cloudevent(
    "event",
    id="event.id",
    time=_EVENT_VALUES["occurred_at"],
    sequence="event.number::text",
    data="event.data",
)
_CLOUD_EVENTS = _of_events(f"string_agg(', ' || {_CLOUD_EVENT}, '' ORDER BY event.position)")
_COLUMNS = [*_COMMAND, *_NAMED, "events"]
_HEADER = ",".join(_COLUMNS).encode()
_IS_JSON = [name in ("data", "decision", "events") for name in _COLUMNS]
_APPROVERS = (
    "(SELECT string_agg(name, ', ') FROM json_array_elements_text(named.approvers::json) AS name)"
)

FORMATS = {
    "csv": Format(
        label="CSV, for spreadsheets",
        content_type="text/csv; charset=utf-8",
        extension="csv",
        line=", ".join(
            [*map(_cell, _COMMAND), _text_cell("named.label"), _text_cell(_APPROVERS), _EVENTS]
        ),
        copied_as="FORMAT csv",
        inert=partial(inert.in_csv, is_json=_IS_JSON),
        begins=_HEADER + b"\n",
        nothing=_HEADER + b"\n",
    ),
    "jsonl": Format(
        label="JSON lines, one attempt per line",
        content_type="application/jsonl",
        extension="jsonl",
        line=f"json_build_object({_members(_COMMAND_VALUES | _NAMED | {'events': _EVENTS})})",
    ),
    # A command is an event of its own, followed by those that it emitted, in the same line. A file
    # without the closing bracket is incomplete.
    "cloudevents": Format(
        label="CloudEvents 1.0, a JSON batch",
        content_type="application/cloudevents-batch+json",
        extension="cloudevents.json",
        line=f"{_CLOUD_COMMAND} || coalesce({_CLOUD_EVENTS}, '')",
        begins=b"[\n",
        between=b",",
        ends=b"\n]\n",
        nothing=b"[]\n",
    ),
}
