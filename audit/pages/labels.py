"""What stored messages are called when people read of them."""

import json
import re
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from audit.messages import catalog
from audit.messages.classes import Command
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord, Status

_PARTS_OF_A_NAME = re.compile(r"[A-Z][a-z0-9]*")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")
_NOTHING = "—"
_EMPTY: tuple[Any, ...] = (None, "", [], {})
# Seconds, the greatest first.
_UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
_STATUS = {
    Status.SUCCEEDED: "succeeded",
    Status.REFUSED: "refused",
    Status.CANCELLED: "cancelled",
    Status.POSTPONED: "held for approval",
    Status.FAILED: "failed",
}


@cache
def words(message_type: str) -> str:
    """Put a message type into words, from the name of its class: "API key disabled".

    What the class's docstring writes in capitals is so written. A type that no class has any more
    stays what it is.
    """
    try:
        message_class = catalog.message_class(message_type)
    except catalog.UnknownMessageType:
        return message_type
    acronyms = {each.lower(): each for each in _ACRONYM.findall(message_class.__doc__ or "")}
    parts = [part.lower() for part in _PARTS_OF_A_NAME.findall(message_class.__name__)]
    said = " ".join(acronyms.get(part, part) for part in parts)
    return said[:1].upper() + said[1:]


def status_words(status: str) -> str:
    """Say what a status means for the command."""
    return _STATUS[Status(status)]


def sentence(record: CommandRecord, *, label: str) -> str:
    """Say what a recorded command asked for; empty if this version cannot read it any more."""
    try:
        message = catalog.restore(record.message_type, record.schema_version, record.data)
    except (catalog.UnknownMessageType, Invalid):
        return ""
    return message.describe(label) if isinstance(message, Command) else ""


def shown(value: Any) -> str:
    """Write a stored value for people."""
    if value in _EMPTY:
        return _NOTHING
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case list() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def fields(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Write stored fields, each with its name."""
    return [(name.replace("_", " "), shown(value)) for name, value in data.items()]


def span(duration: timedelta) -> str:
    """Write a duration, in its two greatest units from a minute on."""
    seconds = duration.total_seconds()
    if seconds < _UNITS["min"]:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
    parts: list[str] = []
    rest = int(seconds)
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
