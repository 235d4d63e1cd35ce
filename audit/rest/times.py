"""Times in requests: date-times of RFC 3339."""

import re
from datetime import UTC, datetime
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request

from audit.messages.exceptions import FieldError, Invalid, Place

_NEEDED = (
    "must be a valid date and time with seconds and an offset, such as 2027-03-01T00:00:00Z "
    "or 2027-03-01T01:00:00+01:00"
)
_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def execute_after(request: Request) -> datetime | None:
    """Return the time of the header ``Execute-After``, or None without one.

    :raises Invalid: if it is malformed. Version 1 ignores it.
    """
    text = request._request.META.get("HTTP_EXECUTE_AFTER")
    if text is None:
        return None
    try:
        return TimeField().to_internal_value(text).astimezone(UTC)
    except (serializers.ValidationError, OverflowError) as error:
        problem = FieldError("Execute-After", "invalid", _NEEDED, Place.HEADER)
        raise Invalid(errors=[problem]) from error


class TimeField(serializers.DateTimeField):
    """A date and a time with its offset from UTC: without one, it would name 38 hours at once."""

    default_error_messages: ClassVar = {
        "invalid": _NEEDED,
        "overflow": "must be between the years 1 and 9999, in UTC",
    }

    def to_internal_value(self, value: Any) -> datetime:
        """Return the time.

        :raises ValidationError: if the text is not a time with an offset.
        """
        if not (isinstance(value, str) and _RFC_3339.fullmatch(value)):
            self.fail("invalid")
        found: datetime = super().to_internal_value(value.upper())
        return found
