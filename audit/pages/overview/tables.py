"""The page of tracked tables: how each is guarded, and what is left before it can refuse."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.pages.access import check_parameters, for_auditors, rendered
from audit.tracking.adoption import MOST_COUNTED, QUIET, Standing, standings

# The page waits no longer for the count of one table.
_LONGEST_COUNT_MS = 2_000
_HISTORY = {"database": "yes", "application": "by simple-history", "none": "no"}


@for_auditors
def tables(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the standing of each tracked model, to readers of the whole log."""
    check_parameters(request, ())
    if actor.is_confined:
        raise Http404("Only readers of the whole log see this page.")
    rows = [_row(each) for each in standings(longest_ms=_LONGEST_COUNT_MS)]
    return rendered(
        request, "audit/tables.html", title="Tracked tables", rows=rows, days=QUIET.days
    )


def _row(standing: Standing) -> dict[str, Any]:
    return {
        "model": standing.model._meta.label,
        "guard": standing.guard,
        "since": standing.reporting.since if standing.reporting else None,
        "history": _HISTORY[standing.history],
        "initial": initial(standing),
        "outside": f"{standing.outside:,}",
        "last_at": standing.last_at,
        "sources": [(source, f"{number:,}") for source, number in standing.sources],
        "is_ready": standing.is_ready,
    }


def initial(standing: Standing) -> str:
    """Return how complete the initial history of a model is, in a few words."""
    match standing.missing:
        case _ if standing.history != "database":
            return "none"
        case None:
            return "not counted: it takes too long"
        case 0:
            return "complete"
        case missing if missing > MOST_COUNTED:
            return f"more than {MOST_COUNTED:,} missing"
        case missing:
            return f"{missing:,} missing"
