"""Moments as people write them, and as they stand in addresses: always UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")
# In an address, a plus sign that was not quoted is a space.
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d$)")


def read_moment(text: str) -> datetime:
    """Read a moment in ISO 8601. Without an offset it is UTC, without a time it is midnight.

    :raises ValueError: if it is none, or so far away that no calendar has it.
    """
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+", text.strip()))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def read_end(text: str) -> datetime:
    """Read the end of a stretch of time: a day that is written without a time counts whole.

    :raises ValueError: as `read_moment` does.
    """
    try:
        whole = timedelta(days=1 if _DAY.fullmatch(text.strip()) else 0)
        return read_moment(text) + whole
    except OverflowError as error:
        raise ValueError(text) from error


def written(moment: datetime) -> str:
    """Write a moment for an address, as short as it can be."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.removesuffix(':00')}Z"


class MomentInput(forms.TextInput):
    """Picks a date and a time, unless what was written is none: then it can be mended."""

    read = staticmethod(read_moment)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Give the browser what its picker understands: no offset, and milliseconds at most."""
        context = super().get_context(name, value, attrs)
        widget = context["widget"]
        try:
            moment = self.read(str(value)) if value else None
        except ValueError:
            return context
        widget["type"] = "datetime-local"
        widget["attrs"]["step"] = "any"
        if moment:
            precision = "milliseconds" if moment.microsecond else "auto"
            local = moment.replace(tzinfo=None).isoformat(timespec=precision)
            widget["value"] = local.removesuffix(":00")
        return context


class EndInput(MomentInput):
    """Picks the end of a stretch of time."""

    read = staticmethod(read_end)


class MomentField(forms.Field):
    """A moment, in UTC; with an `EndInput` the end of a stretch of time."""

    widget = MomentInput
    default_error_messages = {
        "invalid": "Enter a date, or a date and a time, such as 2026-11-23 or 2026-11-23T18:05."
    }

    def to_python(self, value: Any) -> datetime | None:
        """Read what was written."""
        if value in self.empty_values:
            return None
        try:
            read: datetime = self.widget.read(value)
        except ValueError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        return read
