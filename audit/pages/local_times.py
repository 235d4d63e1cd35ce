"""Times as HTML elements: written in UTC, and rewritten in the reader's time zone by a script.

The script also sets a cookie with the time zone, for what is divided into days on the server.
"""

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeData

_IN_TEXT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?) UTC")

_COOKIE = "time_zone"


def reader_zone(request: HttpRequest) -> tzinfo:
    """Return the time zone of the reader's browser; UTC without JavaScript, or if unknown."""
    try:
        return ZoneInfo(request.COOKIES.get(_COOKIE, "UTC"))
    # Files that are not time zones, and names that are not files.
    except (KeyError, ValueError, OSError):
        return UTC


def text_in_utc(at: datetime, *, precision: str = "seconds") -> str:
    """Return a time as text, with its time zone: "2026-11-30 07:14:41 UTC"."""
    in_utc = at.astimezone(UTC).replace(tzinfo=None)
    return f"{in_utc.isoformat(sep=' ', timespec=precision)} UTC"


def local_time(at: datetime, *, precision: str = "seconds", text: str = "") -> str:
    """Return a time as an element with the time in UTC as its tooltip.

    ``text`` replaces the time: "3 hours ago".
    """
    in_utc = at.astimezone(UTC).replace(tzinfo=None)
    return format_html(
        '<time datetime="{}Z" title="{}">{}</time>',
        in_utc.isoformat(),
        text_in_utc(at),
        text or text_in_utc(at, precision=precision),
    )


def local_times(text: str) -> str:
    """Return a text in which each time in UTC is an element; HTML is returned as it is."""
    if isinstance(text, SafeData):
        return text
    parts = _IN_TEXT.split(text)
    return format_html_join("", "{}", ((_part(each),) for each in enumerate(parts)))


def _part(numbered: tuple[int, str]) -> str:
    # The pattern has one group, so every second part looks like a time.
    number, part = numbered
    if number % 2 == 0:
        return part
    text = f"{part} UTC"
    try:
        at = datetime.fromisoformat(part).replace(tzinfo=UTC)
    except ValueError:
        return text
    return local_time(at, text=text)
