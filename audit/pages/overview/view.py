"""What happened lately, at one glance."""

from django.http import HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.log.search import activity
from audit.pages.access import for_auditors, rendered
from audit.pages.lines import bare_lines
from audit.pages.overview import overview as figures
from audit.pages.overview.approval_times import MOST
from audit.pages.overview.overview import DAYS


@for_auditors
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show pictures of the last thirty days, and their numbers."""
    page = figures.overview(actor)
    return rendered(
        request,
        "audit/overview.html",
        section="overview",
        title="Overview",
        page=page,
        days=DAYS,
        most_held=f"{MOST:,}",
        most_counted=f"{activity.MOST:,}",
        outside=bare_lines(page.outside.found.records, actor=actor),
    )
