"""The template tag and filter for times."""

from datetime import datetime

from django import template

from audit.pages import local_times as elements

register = template.Library()


@register.simple_tag
def local_time(at: datetime, precision: str = "seconds", text: str = "") -> str:
    """Return a time in the reader's time zone; in UTC without JavaScript."""
    return elements.local_time(at, precision=precision, text=text)


@register.filter
def local_times(text: str) -> str:
    """Return a text with its times in the reader's time zone."""
    return elements.local_times(text)
