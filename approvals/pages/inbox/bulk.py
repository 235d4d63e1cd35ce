"""Decisions on several requests with one form: the confirmation page, and the results."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from approvals.decisions.rehearsal import warn_of_refusal
from approvals.models import ApprovalRequest
from approvals.pages.feedback import Result
from approvals.pages.request.decision import Displayed, decide
from approvals.passkeys.votes import are_required
from approvals.requests import effects, listing
from approvals.requests.approvers import missing_after
from approvals.requests.flags import requester_flags
from approvals.requests.presentation import Ballot, Presented, present
from audit.actors.actors import Actor
from audit.entry.requests import LONGEST_REASON, actor_of_request
from audit.subjects.streams import with_numbers

VERBS = {"approve": "Approve", "deny": "Deny"}
MOST = 100
_SIGNED = "Votes on this request have to be signed: decide it on its own page."


class Candidate(NamedTuple):
    """A selected request: the effect of the decision, or the obstacle to it.

    ``warnings`` are reasons why its execution would currently be refused.
    """

    presented: Presented
    obstacle: str
    effect: str
    warnings: Sequence[str]

    @property
    def is_preselected(self) -> bool:
        """True if the decision is possible, and would not lead to a refused execution."""
        return not self.obstacle and (self.effect == effects.ENDS or not self.warnings)

    @property
    def consequence(self) -> str:
        """The effect as text."""
        if self.effect == effects.ENDS:
            return "Deny: this ends the request"
        return effects.approve_label(self.effect)


def confirmation(requests: Sequence[ApprovalRequest], *, verb: str, actor: Actor) -> dict[str, Any]:
    """Return the context of the page that confirms the decision."""
    title = f"{VERBS[verb]} the selected requests?"
    return {"title": title, **_form(candidates(requests, verb=verb, actor=actor), verb=verb)}


def outcome(
    requests: Sequence[ApprovalRequest], *, verb: str, request: HttpRequest
) -> dict[str, Any]:
    """Decide each request in its own transaction; return the context of the page of results."""
    results = [
        (each, decide(each, verb=verb, displayed=_displayed(each, request), request=request))
        for each in requests
    ]
    counted = Counter(feedback.result for _, feedback in results)
    changed = [str(each.pk) for each, feedback in results if feedback.has_changed]
    return {
        "title": "Outcome",
        "results": results,
        "summary": ", ".join(f"{counted[each]} {each}" for each in Result if counted[each]) + ".",
        "reason": request.POST.get("reason", ""),
        **_form(_changed(changed, verb=verb, actor=actor_of_request(request)), verb=verb),
    }


def candidates(requests: Sequence[ApprovalRequest], *, verb: str, actor: Actor) -> list[Candidate]:
    """Return the effect of the decision on each request, or the obstacle to it.

    Only requests with an obstacle, and the requesters of those with a last vote, need further
    queries.
    """
    rows = present(requests, actor=actor)
    pks = [row.request.pk for row in rows]
    decidable = set(listing.needing_vote_of(actor).filter(pk__in=pks).ids())
    deciding = [row.request for row in rows if row.request.pk in decidable]
    missing = missing_after(deciding, person_id=int(actor.person_id)) if deciding else {}
    last_votes = [each.pk for each in deciding if verb == "approve" and not missing.get(each.pk)]
    more = _requester_flags([row for row in rows if row.request.pk in last_votes])
    return [
        _candidate(
            row,
            verb=verb,
            obstacle=_obstacle(row, verb=verb, actor=actor, may=row.request.pk in decidable),
            missing=missing.get(row.request.pk, 0),
            more=more.get(row.request.pk, ()),
        )
        for row in rows
    ]


def selected(identifiers: Sequence[str], *, actor: Actor) -> list[ApprovalRequest]:
    """Return the selected requests that the actor may see, in the order of the inbox."""
    found = with_numbers(listing.visible_to(actor))
    try:
        found = found.filter(pk__in=identifiers[:MOST])
    except ValidationError:
        return []
    return list(found.order_by("approve_by", "pk"))


def _obstacle(presented: Presented, *, verb: str, actor: Actor, may: bool) -> str:
    if verb == "approve" and presented.problem:
        return presented.problem
    if may and are_required(presented.request):
        return _SIGNED
    return "" if may else Ballot(presented, actor=actor).obstacle


def _candidate(
    presented: Presented, *, verb: str, obstacle: str, missing: int, more: Sequence[str]
) -> Candidate:
    """Return a request with the effect of the decision; ``more`` are flags of its requester."""
    warnings = sorted({*presented.flags, *more})
    is_early = presented.request.is_early
    approval = effects.of_approval(missing=missing, warnings=warnings, is_early=is_early)
    return Candidate(presented, obstacle, effects.ENDS if verb == "deny" else approval, warnings)


def _requester_flags(rows: Sequence[Presented]) -> dict[UUID, list[str]]:
    """Return the flags of the requesters: of each requester and command type, looked up once."""

    def key(row: Presented) -> tuple[str, str, str]:
        asked = row.request
        return asked.requester_kind, asked.requester_id, asked.message_type

    found = {
        requester: requester_flags(row.request, row.command)
        for requester, row in {key(row): row for row in rows}.items()
    }
    return {row.request.pk: found[key(row)] for row in rows}


def _changed(identifiers: Sequence[str], *, verb: str, actor: Actor) -> list[Candidate]:
    """Return the requests whose decision has another effect now, by all checks of a decision."""
    rows = present(selected(identifiers, actor=actor), actor=actor)
    ballots = [(row, Ballot(row, actor=actor)) for row in rows]
    for row, ballot in ballots if verb == "approve" else ():
        warn_of_refusal(ballot, row)
    return [
        Candidate(
            row,
            "" if verb in ballot.effects else ballot.obstacle or row.problem,
            ballot.effects.get(verb, ""),
            ballot.warnings,
        )
        for row, ballot in ballots
    ]


def _form(listed: Sequence[Candidate], *, verb: str) -> dict[str, Any]:
    """Return the context of the form with the requests to decide."""
    return {
        "verb": verb,
        "verb_label": VERBS[verb],
        "candidates": listed,
        "decidable": sum(not each.obstacle for each in listed),
        "longest_reason": LONGEST_REASON,
    }


def _displayed(asked: ApprovalRequest, request: HttpRequest) -> Displayed:
    """Return what the user saw of one request."""
    return Displayed.of(request.POST, suffix=f"-{asked.pk}", effect=f"effect-{asked.pk}")
