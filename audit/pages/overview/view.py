"""The overview page."""

from django.http import HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.log.search import activity
from audit.pages.access import for_auditors, rendered
from audit.pages.overview import overview as figures


@for_auditors
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show charts of the last thirty days, and their numbers."""
    return rendered(
        request,
        "audit/overview.html",
        section="overview",
        title="Overview",
        page=figures.overview(actor),
        days=figures.DAYS,
        most_counted=f"{activity.MOST:,}",
    )
