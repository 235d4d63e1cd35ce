"""How many requests wait for the decision of whoever looks at a page."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from approvals.requests.listing import needing_vote_of
from audit.entry.requests import actor_of_request

_FURTHEST = 99


def pending_count(request: HttpRequest) -> dict[str, object]:
    """Give every page the count for its header, asked for only where a template shows it."""
    return {"waiting_for_me": SimpleLazyObject(lambda: _count(request))}


def _count(request: HttpRequest) -> str:
    """Count no further than a header has room for: one query, and none for who sees no requests.

    It is counted for pages that are opened, not for the answers to a form, which may be about to
    change it.
    """
    actor = actor_of_request(request)
    if request.method != "GET" or not actor.may("approvals.view_approvalrequest"):
        return ""
    return count_text(needing_vote_of(actor).order_by()[: _FURTHEST + 1].count())


def count_text(count: int) -> str:
    """Write the count for a header; nothing where nothing waits."""
    return f"{_FURTHEST}+" if count > _FURTHEST else str(count or "")
