"""The picture over what a search finds: when it happened, to be looked at more closely."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from audit.log.search.activity import activity, counted, oldest
from audit.log.search.criteria import Criteria
from audit.log.search.full_text import MOST_DAYS
from audit.log.search.reading import Page
from audit.pages.charts.bars import BarChart, Frame, bar_chart
from audit.pages.charts.scales import time_scale
from audit.pages.search.filters import CommandFilter
from audit.pages.times import written

_MOST_PAGES = 100
_LEAST_SPAN = timedelta(seconds=1)
_PRESETS = {
    "Last hour": timedelta(hours=1),
    "24 hours": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}


class Choice(NamedTuple):
    """Another stretch of time to look at."""

    label: str
    url: str


class Span(NamedTuple):
    """The stretch of time that a picture shows."""

    since: datetime
    until: datetime


def span_of(criteria: Criteria, found: Page) -> Span | None:
    """Tell what time to show; None if there is nothing to show."""
    until = criteria.until or timezone.now()
    since = criteria.since
    if since is None and found.is_all:
        since = min((record.received_at for record in found.records), default=None)
    elif since is None and criteria.goes_by_words:
        since = max(until - timedelta(days=MOST_DAYS), oldest(criteria) or until)
    elif since is None:
        since = oldest(criteria)
    if since is None or until - since < _LEAST_SPAN:
        return None
    return Span(since.astimezone(UTC), until.astimezone(UTC))


def picture(form: CommandFilter, found: Page, span: Span) -> BarChart | None:
    """Return the chart; None if there are too many commands to count."""
    scale, criteria = time_scale(*span), form.criteria()
    moments = [record.received_at for record in found.records]
    if criteria.goes_by_words and _is_dense(found, span):
        return None
    numbers = counted(moments, scale.edges) if found.is_all else activity(criteria, scale.edges)
    if numbers is None:
        return None

    def links_to(start: datetime, end: datetime) -> str:
        return f"?{form.query(since=written(start), until=written(end))}"

    return bar_chart(numbers, scale, Frame("activity", "Commands over time", links_to))


def other_spans(form: CommandFilter, span: Span | None) -> list[Choice]:
    """Offer other stretches of time to look at."""
    now = timezone.now().replace(second=0, microsecond=0)
    choices = [
        Choice(label, f"?{form.query(since=written(now - length), until='')}")
        for label, length in _PRESETS.items()
    ]
    criteria = form.criteria()
    if span and (criteria.since or criteria.until):
        choices.append(Choice("Wider", f"?{_wider(form, span)}"))
    return [*choices, Choice("All time", f"?{form.query(since='', until='')}")]


def _wider(form: CommandFilter, span: Span) -> str:
    length = span.until - span.since
    try:
        since, until = span.since - length, span.until + length
    except OverflowError:
        return form.query(since="", until="")
    return form.query(since=written(since), until=written(until) if until < timezone.now() else "")


def _is_dense(found: Page, span: Span) -> bool:
    """Tell from a full page that the time to show has far more such pages than are counted."""
    if found.is_all or not found.records:
        return False
    covered = found.records[0].received_at - found.records[-1].received_at
    return covered * _MOST_PAGES < span.until - span.since
