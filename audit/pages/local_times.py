"""Times as HTML elements: written in UTC, and rewritten in the reader's time zone by a script."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import DateTimeField, Model
from django.utils.html import format_html, format_html_join

_IN_TEXT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?) UTC")


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
    """Return a text in which each time in UTC is an element."""
    parts = _IN_TEXT.split(text)
    return format_html_join("", "{}", ((_part(each),) for each in enumerate(parts)))


def shown_fields(model: type[Model], names: Any) -> list[Any]:
    """Return the fields of an admin page, those with times replaced by columns of elements."""
    times = {each.name: each for each in model._meta.fields if isinstance(each, DateTimeField)}
    return [_column(times[name]) if name in times else name for name in names]


@cache
def _column(field: Any) -> Callable[[Any], str | None]:
    """Return the column of a field, the same one each time: the admin compares them."""

    @admin.display(description=str(field.verbose_name), ordering=field.name)
    def column(row: Any) -> str | None:
        at = getattr(row, field.attname)
        return local_time(at) if at else None

    # The admin names CSS classes after it.
    column.__name__ = field.name
    return column


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
