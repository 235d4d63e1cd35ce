"""Labels and plain texts of stored messages and values."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db.models import DurationField
from django.utils.dateparse import parse_duration

from audit.messages import catalog
from audit.messages.characters import visible
from audit.messages.classes import Command
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord, Status
from audit.pages.local_times import text_in_utc
from audit.subjects.tenants import tenant_word

_PARTS_OF_A_NAME = re.compile(r"[A-Z][a-z0-9]*")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")
#: The label of an attempt that waits for approval, and of one that was ended before execution.
WAITING, NOT_EXECUTED = "waiting for approval", "not executed"
#: The labels of statuses in filters, which find attempts also after their wait.
STATUS_CHOICES = {
    **{each.value: each.value for each in Status},
    Status.POSTPONED.value: "waiting, or waited earlier",
    Status.CANCELLED.value: "not executed: denied, expired …",
}
_choices: dict[str, str] = {}
_NOTHING = "—"
_EMPTY: tuple[Any, ...] = (None, "", [], {})
# In seconds, the largest first.
_UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


@cache
def words(message_type: str) -> str:
    """Return the label of a message type, from the name of its class: "API key disabled".

    Acronyms are taken from the class's docstring. The label of a type without a class is the type.
    """
    try:
        message_class = catalog.message_class(message_type)
    except catalog.UnknownMessageType:
        return message_type
    acronyms = {each.lower(): each for each in _ACRONYM.findall(message_class.__doc__ or "")}
    parts = [part.lower() for part in _PARTS_OF_A_NAME.findall(message_class.__name__)]
    label = " ".join(acronyms.get(part, part) for part in parts)
    return label[:1].upper() + label[1:]


def labeled(message_type: str, *, held_command: str) -> str:
    """Return the label of a message type, with the held command that it decides, if any."""
    if not held_command:
        return words(message_type)
    return f"{words(message_type)}: {held_command[:1].lower()}{held_command[1:]}"


def status_words(status: str, *, is_waiting: bool) -> str:
    """Return the label of an attempt's status; a postponed one is waiting, or has waited."""
    match status:
        case Status.POSTPONED:
            return WAITING if is_waiting else "waited for approval"
        case Status.CANCELLED:
            return NOT_EXECUTED
        case _:
            return status


def attempted(label: str, status: str, *, is_waiting: bool) -> str:
    """Return the label of a command with the status of an attempt at it."""
    # "Approve: refused" would read as a vote against.
    attempt = "attempt " if status == Status.REFUSED else ""
    return f"{label}: {attempt}{status_words(status, is_waiting=is_waiting)}"


def declare_choices(words: Mapping[str, str]) -> None:
    """Declare the labels of stored choices that pages do not show as they are stored."""
    _choices.update({str(value): label for value, label in words.items()})


def field_label(field: Any) -> str:
    """Return the name of a field on pages, where tenants have the name of the project's model."""
    name = str(field.verbose_name)
    return tenant_word() if name == "tenant" else name


def shown_in(column: Any, value: Any) -> str:
    """Return the value of a column as text: of a choice its label, of a duration its units."""
    if column.choices:
        return _choices.get(str(value)) or shown(value)
    if not isinstance(column, DurationField) or value is None:
        return shown(value)
    length = value if isinstance(value, timedelta) else parse_duration(str(value))
    return shown(value) if length is None else span(length) if length else "none"


def sentence(record: CommandRecord, *, label: str) -> str:
    """Return a recorded command as a sentence; empty if it is no longer readable."""
    try:
        message = catalog.restore(record.message_type, record.schema_version, record.data)
    except (catalog.UnknownMessageType, Invalid):
        return ""
    return message.describe(label) if isinstance(message, Command) else ""


def shown(value: Any) -> str:
    """Return a stored value as text for pages, with each invisible character as its number."""
    if value in _EMPTY:
        return _NOTHING
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return text_in_utc(value)
        case list() if all(isinstance(each, str) for each in value):
            return visible(", ".join(value))
        case dict() | list():
            return visible(json.dumps(value, ensure_ascii=False))
        case _:
            return visible(str(value))


def fields(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Return stored fields as pairs of name and text."""
    return [(name.replace("_", " "), shown(value)) for name, value in data.items()]


def span(duration: timedelta) -> str:
    """Return a duration as text: from a minute on, in its two largest units."""
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
