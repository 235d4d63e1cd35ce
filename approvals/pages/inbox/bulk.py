"""Decisions on several requests with one form: the confirmation page, and the results."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from approvals.models import ApprovalRequest
from approvals.pages.request.decision import decide
from approvals.requests import listing
from approvals.requests.approvers import missing_after
from approvals.requests.presentation import Ballot, Presented, approve_label, present
from audit.actors.actors import Actor
from audit.entry.requests import LONGEST_REASON

VERBS = {"approve": "Approve", "deny": "Deny"}
MOST = 100


class Candidate(NamedTuple):
    """A selected request: the effect of the decision, or the obstacle to it."""

    presented: Presented
    obstacle: str
    consequence: str


def confirmation(requests: Sequence[ApprovalRequest], *, verb: str, actor: Actor) -> dict[str, Any]:
    """Return the context of the page that confirms the decision."""
    listed = candidates(requests, verb=verb, actor=actor)
    return {
        "title": f"{VERBS[verb]} the selected requests?",
        "verb_label": VERBS[verb],
        "candidates": listed,
        "decidable": sum(not each.obstacle for each in listed),
        "longest_reason": LONGEST_REASON,
    }


def outcome(
    requests: Sequence[ApprovalRequest], *, verb: str, request: HttpRequest
) -> dict[str, Any]:
    """Decide each request in its own transaction; return the context of the page of results."""
    results = [
        (each, decide(each, verb=verb, digest=_digest(each, request), request=request))
        for each in requests
    ]
    done = sum(feedback.is_done for _, feedback in results)
    return {
        "title": "Outcome",
        "verb_label": VERBS[verb],
        "results": results,
        "summary": f"{done} of {len(results)} decided.",
    }


def candidates(requests: Sequence[ApprovalRequest], *, verb: str, actor: Actor) -> list[Candidate]:
    """Return the effect of the decision on each request, or the obstacle to it.

    Only requests with an obstacle need further queries.
    """
    rows = present(requests, actor=actor)
    pks = [row.request.pk for row in rows]
    decidable = set(listing.needing_vote_of(actor).filter(pk__in=pks).values_list("pk", flat=True))
    deciding = [row.request for row in rows if row.request.pk in decidable]
    missing = missing_after(deciding, person_id=int(actor.person_id)) if deciding else {}
    return [
        Candidate(
            row,
            _obstacle(row, verb=verb, actor=actor, may=row.request.pk in decidable),
            _consequence(row, verb=verb, missing=missing.get(row.request.pk, 0)),
        )
        for row in rows
    ]


def selected(identifiers: Sequence[str], *, actor: Actor) -> list[ApprovalRequest]:
    """Return the selected requests that the actor may see, in the order of the inbox."""
    found = listing.visible_to(actor)
    try:
        found = found.filter(pk__in=identifiers[:MOST])
    except ValidationError:
        return []
    return list(found.order_by("approve_by", "pk"))


def _obstacle(presented: Presented, *, verb: str, actor: Actor, may: bool) -> str:
    if verb == "approve" and presented.problem:
        return presented.problem
    return "" if may else Ballot(presented, actor=actor).obstacle


def _consequence(presented: Presented, *, verb: str, missing: int) -> str:
    if verb == "deny":
        return "Deny: this ends the request"
    return approve_label(presented, missing=missing, is_doomed=bool(presented.flags))


def _digest(asked: ApprovalRequest, request: HttpRequest) -> str:
    """Return the digest that the user saw."""
    return request.POST.get(f"digest-{asked.pk}", "")
