"""What happened lately, at one glance."""

from django.http import HttpRequest, HttpResponse

from audit.actors import Actor
from audit.held import MOST
from audit.lines import bare_lines
from audit.overview import DAYS
from audit.overview import overview as look
from audit.views.access import for_auditors, rendered


@for_auditors
def overview(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show pictures of the last thirty days, and their numbers."""
    page = look(actor)
    return rendered(
        request,
        "audit/overview.html",
        section="overview",
        title="Overview",
        page=page,
        days=DAYS,
        most_held=f"{MOST:,}",
        outside=bare_lines(page.outside.found.records, actor=actor),
    )
