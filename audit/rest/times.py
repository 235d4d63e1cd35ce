"""Times in requests: with an offset, as RFC 3339 defines them."""

import re
from datetime import datetime
from typing import Any

from rest_framework import serializers

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


class TimeField(serializers.DateTimeField):
    """A date and a time with its offset from UTC: without one, it would name 38 hours at once."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the time.

        :raises ValidationError: if the text is not a time with an offset.
        """
        if isinstance(value, str) and not _RFC_3339.fullmatch(value):
            message = "must be a date and a time with an offset, such as 2027-03-01T00:00:00Z"
            raise serializers.ValidationError(message, code="invalid")
        found: datetime = super().to_internal_value(value)
        return found
