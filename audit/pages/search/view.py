"""The search over all commands."""

from django.http import HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.log.search.activity import MOST
from audit.log.search.reading import Found, read_page
from audit.pages.access import for_auditors, rendered
from audit.pages.lines import bare_lines
from audit.pages.search.chart import other_spans, picture, span_of
from audit.pages.search.filters import CommandFilter

LINES = 50


@for_auditors
def search(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what was looked for, newest first, and when it happened."""
    form = CommandFilter(request.GET, reader=actor)
    form.is_valid()
    criteria, places = form.criteria(), form.places()
    found = read_page(criteria, size=LINES, before=places.before, after=places.after)
    span = span_of(criteria, found)
    return rendered(
        request,
        "audit/search.html",
        section="search",
        title="Search",
        form=form,
        chips=form.chips(),
        found=found,
        lines=bare_lines(found.records, actor=actor),
        span=span,
        chart=picture(form, found, span) if span else None,
        most_counted=f"{MOST:,}",
        other_spans=other_spans(form, span),
        is_newest=not (places.before or places.after),
        query=form.query(),
        older=form.query(before=str(found.older)) if found.older else "",
        newer=form.query(after=str(found.newer)) if found.newer else "",
        extent=_extent(found),
        looked=_looked(found, is_newer=places.after is not None),
    )


def _extent(found: Found) -> str:
    """Say what the page has, which is no total unless it has everything."""
    if found.is_all and found.records:
        count = len(found.records)
        return "One result." if count == 1 else f"All {count} results, newest first."
    return "Newest first."


def _looked(found: Found, *, is_newer: bool) -> str:
    """Say how far a search went that was not gone through with."""
    end = found.newer if is_newer else found.older
    if end is None:
        return ""
    direction = "up" if is_newer else "back"
    return f"Searched {direction} to {end.at:%Y-%m-%d %H:%M} so far."
