"""The search page, with a chart of the results over time and links to other time ranges."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audit.actors.actors import Actor
from audit.log.search.activity import activity, counted, most_counted, oldest
from audit.log.search.criteria import Criteria
from audit.log.search.full_text import MOST_DAYS
from audit.log.search.reading import Page, read_page
from audit.log.search.scans import Scan
from audit.messages.classes import Subject
from audit.pages.access import check_parameters, for_auditors, rendered
from audit.pages.charts.bars import BarChart, Frame, bar_chart
from audit.pages.charts.scales import time_scale
from audit.pages.lines import bare_lines
from audit.pages.local_times import reader_zone
from audit.pages.search.filters import Choice, CommandFilter

LINES = 50
_MOST_PAGES = 100
_NONE = Page(places=[], older=None, newer=None, is_cut=False, scan=Scan(ranges=()))
_LEAST_SPAN = timedelta(seconds=1)
_PRESETS = {
    "Last hour": timedelta(hours=1),
    "24 hours": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}


class Span(NamedTuple):
    """The time range of a chart."""

    since: datetime
    until: datetime


@for_auditors
def search(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the matching commands, newest first, and their number over time."""
    check_parameters(request, CommandFilter.base_fields)
    form = CommandFilter(request.GET, reader=actor)
    form.is_valid()
    criteria = form.criteria()
    before, after = form.cleaned_data["before"], form.cleaned_data["after"]
    # Without its invalid fields, the search would find more than it should.
    page = _NONE if form.errors else read_page(criteria, size=LINES, before=before, after=after)
    span = None if form.errors else _span_of(criteria, page, zone=reader_zone(request))
    form.offer_matching(criteria)
    return rendered(
        request,
        "audit/search.html",
        section="search",
        title="Search",
        form=form,
        chips=form.chips(),
        page=page,
        about=_about(criteria),
        lines=bare_lines(page.records, actor=actor),
        span=span,
        chart=_chart(form, page, span, criteria) if span else None,
        most_counted=f"{most_counted(criteria):,}",
        other_spans=_other_spans(form, span, criteria),
        is_newest=not (before or after),
        is_newer=after is not None,
        query=form.query(),
        case=criteria.correlation_id,
        older=form.query(before=str(page.older)) if page.older else "",
        newer=form.query(after=str(page.newer)) if page.newer else "",
    )


def _about(criteria: Criteria) -> Subject | None:
    """Return the one subject that the search is about, if its type is known."""
    subject_type, _, identifier = criteria.subject.partition(":")
    return Subject(subject_type, identifier) if identifier else None


def _span_of(criteria: Criteria, page: Page, *, zone: tzinfo) -> Span | None:
    """Return the time range to show, or None if there is nothing to show."""
    until = criteria.until or timezone.now()
    since = criteria.since
    if since is None and page.is_all:
        since = min((record.received_at for record in page.records), default=None)
    elif since is None:
        since = oldest(criteria)
        if criteria.goes_by_words:
            since = max(until - timedelta(days=MOST_DAYS), since or until)
    if since is None or until - since < _LEAST_SPAN:
        return None
    try:
        return Span(since.astimezone(zone), until.astimezone(zone))
    except OverflowError:
        return Span(since.astimezone(UTC), until.astimezone(UTC))


def _chart(form: CommandFilter, page: Page, span: Span, criteria: Criteria) -> BarChart | None:
    """Return the chart; None if there are too many commands to count."""
    scale = time_scale(*span)
    if criteria.goes_by_words and _is_dense(page, span):
        return None
    times = [record.received_at for record in page.records]
    if page.is_all:
        numbers: list[int] | None = counted(times, scale.edges)
    else:
        numbers = activity(criteria, scale.edges, scan=page.scan)
    if numbers is None:
        return None
    return bar_chart(numbers, scale, Frame("activity", "Commands over time", form.url_between))


def _other_spans(form: CommandFilter, span: Span | None, criteria: Criteria) -> list[Choice]:
    """Return links to other time ranges."""
    now = timezone.now().replace(second=0, microsecond=0)
    starts = [*(now - length for length in _PRESETS.values()), None]
    *urls, all_time = form.urls_since(starts)
    choices = [Choice(label, url) for label, url in zip(_PRESETS, urls, strict=True)]
    if span and (criteria.since or criteria.until):
        choices.append(Choice("Wider", form.url_between(*_wider(span))))
    return [*choices, Choice("All time", all_time)]


def _wider(span: Span) -> tuple[datetime | None, datetime | None]:
    length = span.until - span.since
    try:
        since, until = span.since - length, span.until + length
    except OverflowError:
        return None, None
    return since, until if until < timezone.now() else None


def _is_dense(page: Page, span: Span) -> bool:
    """Return True if the time range seems to have far more such pages than are counted."""
    if page.is_all or not page.records:
        return False
    covered = page.records[0].received_at - page.records[-1].received_at
    return covered * _MOST_PAGES < span.until - span.since
