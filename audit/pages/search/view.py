"""The search page."""

from django.http import HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.log.search.activity import most_counted
from audit.log.search.reading import read_page
from audit.pages.access import for_auditors, rendered
from audit.pages.lines import bare_lines
from audit.pages.search.chart import chart, other_spans, span_of
from audit.pages.search.filters import CommandFilter

LINES = 50


@for_auditors
def search(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the matching commands, newest first, and their number over time."""
    form = CommandFilter(request.GET, reader=actor)
    form.is_valid()
    criteria = form.criteria()
    before, after = form.cleaned_data["before"], form.cleaned_data["after"]
    page = read_page(criteria, size=LINES, before=before, after=after)
    span = span_of(criteria, page)
    return rendered(
        request,
        "audit/search.html",
        section="search",
        title="Search",
        form=form,
        chips=form.chips(),
        page=page,
        lines=bare_lines(page.records, actor=actor),
        span=span,
        chart=chart(form, page, span) if span else None,
        most_counted=f"{most_counted(criteria):,}",
        other_spans=other_spans(form, span),
        is_newest=not (before or after),
        is_newer=after is not None,
        query=form.query(),
        older=form.query(before=str(page.older)) if page.older else "",
        newer=form.query(after=str(page.newer)) if page.newer else "",
    )
