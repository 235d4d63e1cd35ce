"""Times as people enter them, and as URLs contain them: in UTC, unless they have an offset.

With JavaScript, people enter times in the time zone of their browser, which sends them in UTC: a
link to a search means the same to each reader.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.timesince import timesince

_MINUTE = timedelta(minutes=1)
_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")
# In a URL, a plus sign that was not quoted is a space.
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d$)")


def read_time(text: str) -> datetime:
    """Read a time in ISO 8601. Without an offset it is UTC, without a time of day midnight.

    :raises ValueError: if it is not one, or outside the calendar.
    """
    try:
        at = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+", text.strip()))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def read_end(text: str) -> datetime:
    """Read the end of a time range: a day without a time of day is included.

    :raises ValueError: as `read_time` does.
    """
    try:
        whole = timedelta(days=1 if _DAY.fullmatch(text.strip()) else 0)
        return read_time(text) + whole
    except OverflowError as error:
        raise ValueError(text) from error


def written(at: datetime) -> str:
    """Return a time for a URL, as short as possible."""
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.removesuffix(':00')}Z"


def ago(at: datetime, *, now: datetime) -> str:
    """Return the distance to a past time as text: "3 hours ago", or "just now" for seconds."""
    return "just now" if now - at < _MINUTE else f"{timesince(at, now, depth=1)} ago"


class TimeInput(forms.TextInput):
    """A picker of date and time; an invalid text is shown as it is, to be corrected.

    Labels name the time zone as "(UTC)", which the script replaces.
    """

    read = staticmethod(read_time)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Write the time as browsers' pickers require: no offset, and milliseconds at most."""
        context = super().get_context(name, value, attrs)
        widget = context["widget"]
        try:
            at = self.read(str(value)) if value else None
        except ValueError:
            return context
        widget["type"] = "datetime-local"
        # A script shows it in the reader's time zone. A browser must not restore an earlier text.
        widget["attrs"] |= {"step": "any", "data-utc": True, "autocomplete": "off"}
        if at:
            precision = "milliseconds" if at.microsecond else "auto"
            local = at.replace(tzinfo=None).isoformat(timespec=precision)
            widget["value"] = local.removesuffix(":00")
        return context


class EndInput(TimeInput):
    """A picker of the end of a time range."""

    read = staticmethod(read_end)


class TimeField(forms.Field):
    """A time in UTC; with an `EndInput`, the end of a time range."""

    widget = TimeInput
    default_error_messages = {
        "invalid": "Enter a date, or a date and a time, such as 2026-11-23 or 2026-11-23T18:05."
    }

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            read: datetime = self.widget.read(value)
        except ValueError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        return read
