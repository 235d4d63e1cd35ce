"""The number of requests that wait for the user's decision, for the header of each page."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from approvals.requests.listing import count_needing_vote_of
from audit.entry.requests import actor_of_request

_FURTHEST = 99


def pending_count(request: HttpRequest) -> dict[str, object]:
    """Return the count as template context; it is queried only where a template shows it."""
    return {"waiting_for_me": SimpleLazyObject(lambda: _count(request))}


def _count(request: HttpRequest) -> str:
    """Return the count, by one query, or by no query for users who may not see requests."""
    actor = actor_of_request(request)
    return count_text(count_needing_vote_of(actor, most=_FURTHEST + 1))


def count_text(count: int) -> str:
    """Return the count with at most two digits; empty if it is zero."""
    return f"{_FURTHEST}+" if count > _FURTHEST else str(count or "")
