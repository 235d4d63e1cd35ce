"""Several requests decided with one form, each on its own: what is asked first, and told after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from approvals.models import ApprovalRequest
from approvals.pages import links
from approvals.pages.request import decision
from approvals.requests import listing
from approvals.requests.approvers import missing_after
from approvals.requests.presentation import Presented, approve_words, ballot, consequence, present
from audit.actors.actors import Actor
from audit.entry.requests import LONGEST_REASON
from audit.pages.safe_text import one_line

VERBS = {"approve": "Approve", "deny": "Deny"}
MOST = 100
_LONGEST = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A selected request: what the decision does to it, or why there will be none."""

    presented: Presented
    url: str
    requester: str
    reason: str
    obstacle: str
    consequence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of the decision on one request."""

    sentence: str
    url: str
    message: str
    is_done: bool


def confirmation(requests: Sequence[ApprovalRequest], *, verb: str, actor: Actor) -> dict[str, Any]:
    """Gather the page on which one decides on what one has selected."""
    listed = candidates(requests, verb=verb, actor=actor)
    decidable = sum(not each.obstacle for each in listed)
    words = VERBS[verb]
    return {
        "title": f"{words} the selected requests?",
        "verb_words": words,
        "candidates": listed,
        "decidable": decidable,
        "decision_words": f"You can decide {decidable} of the {len(listed)} selected requests",
        "button_words": f"{words} {decidable} now",
        "longest_reason": LONGEST_REASON,
    }


def outcome(
    requests: Sequence[ApprovalRequest], *, verb: str, request: HttpRequest
) -> dict[str, Any]:
    """Decide on what was selected, and gather the page that tells what came of it."""
    results = decide(requests, verb=verb, request=request)
    done = sum(each.is_done for each in results)
    return {
        "title": "Outcome",
        "verb_words": VERBS[verb],
        "results": results,
        "summary": f"{done} of {len(results)} decided.",
    }


def candidates(requests: Sequence[ApprovalRequest], *, verb: str, actor: Actor) -> list[Candidate]:
    """Tell of each request what the decision does, or why one cannot take it.

    Only where one cannot, more is asked of the database than once for all.
    """
    rows = present(requests, actor=actor)
    pks = [row.request.pk for row in rows]
    decidable = set(listing.needing_vote_of(actor).filter(pk__in=pks).values_list("pk", flat=True))
    deciding = [row.request for row in rows if row.request.pk in decidable]
    missing = missing_after(deciding, person_id=int(actor.person_id)) if deciding else {}
    return [
        Candidate(
            presented=row,
            url=links.request_url(row.request.pk),
            requester=one_line(row.request.requester_label, longest=_LONGEST),
            reason=one_line(row.request.reason, longest=_LONGEST),
            obstacle=_obstacle(row, verb=verb, actor=actor, may=row.request.pk in decidable),
            consequence=_consequence(row, verb=verb, missing=missing.get(row.request.pk, 0)),
        )
        for row in rows
    ]


def decide(requests: Sequence[ApprovalRequest], *, verb: str, request: HttpRequest) -> list[Result]:
    """Decide each request in a transaction of its own, on the digest that came with it."""
    return [_decide(each, verb=verb, request=request) for each in requests]


def selected(identifiers: Sequence[str], *, actor: Actor) -> list[ApprovalRequest]:
    """Fetch the requests that somebody selected and may see, in the order of the inbox."""
    found = listing.visible_to(actor)
    try:
        found = found.filter(pk__in=identifiers[:MOST])
    except ValidationError:
        return []
    return list(found.order_by("approve_by", "pk"))


def _obstacle(presented: Presented, *, verb: str, actor: Actor, may: bool) -> str:
    if verb == "approve" and presented.problem:
        return presented.problem
    return "" if may else ballot(presented, actor=actor).obstacle


def _consequence(presented: Presented, *, verb: str, missing: int) -> str:
    if verb == "deny":
        return "Deny: this ends the request"
    return approve_words(missing, consequence(presented), is_doomed=bool(presented.flags))


def _decide(asked: ApprovalRequest, *, verb: str, request: HttpRequest) -> Result:
    digest = request.POST.get(f"digest-{asked.pk}", "")
    decided = decision.decide(asked, verb=verb, digest=digest, request=request)
    return Result(
        sentence=decided.sentence,
        url=links.request_url(asked.pk),
        message=decided.message,
        is_done=decided.is_done,
    )
