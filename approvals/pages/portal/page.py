"""The contexts of a requester's pages: their requests, and one of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.http import QueryDict
from django.utils.http import urlencode

from approvals.decisions.rehearsal import warn_of_refusal
from approvals.models import ApprovalRequest
from approvals.pages.request.resubmission import form_for
from approvals.pages.request.timeline import timeline
from approvals.requests import listing
from approvals.requests.approvers import EligibleApprovers, people_to_ask, remaining_approvers
from approvals.requests.correspondence import next_reminder_at
from approvals.requests.presentation import Ballot, Presented, present
from approvals.requests.statuses import pick_ups_of
from audit.actors.actors import Actor
from audit.entry.requests import LONGEST_REASON
from audit.log.orders import Key, Order, Values
from audit.pages.safe_text import many_lines

ROWS = 25
_MOST_NAMES = 12
_NEWEST = Order("newest", Key("requested_at", datetime), Key("pk", UUID))


class Row(NamedTuple):
    """A request in the list. ``remaining`` are the names of those who can still vote."""

    presented: Presented
    remaining: list[str]

    @property
    def named(self) -> list[str]:
        """The names that fit in the list."""
        return self.remaining[:_MOST_NAMES]

    @property
    def unnamed(self) -> int:
        """The number of the others."""
        return len(self.remaining[_MOST_NAMES:])


def read_list(query: QueryDict, *, actor: Actor) -> dict[str, Any]:
    """Return the context of the list: the person's requests, newest first."""
    after = _values(query.get("after", ""))
    found = listing.requested_by(actor).order_by(*_NEWEST.sorting())
    page = list(found.filter(_NEWEST.behind(after))[: ROWS + 1] if after else found[: ROWS + 1])
    next_url = f"?{urlencode({'after': _NEWEST.cursor(page[ROWS - 1])})}" if page[ROWS:] else ""
    rows = _rows(page[:ROWS], actor=actor)
    return {"rows": rows, "next_url": next_url, "first_url": "?" if after else ""}


def read_one(
    request: ApprovalRequest, *, actor: Actor, typed: QueryDict | None = None
) -> dict[str, Any]:
    """Return the context of the page of one request."""
    # Before the votes: an event in between is then new to the reader.
    number = request.number
    (presented,) = present([request], actor=actor)
    ballot = Ballot(presented, actor=actor)
    if ballot.may_retry:
        warn_of_refusal(ballot, presented)
    approvers = EligibleApprovers(request)
    needs = approvers.needs()
    return {
        "asked": presented,
        "number": number,
        "is_waiting": presented.is_undecided,
        "ballot": ballot,
        "resubmission": form_for(ballot, presented, typed=typed),
        "needs": needs,
        "votes": approvers.votes(),
        "to_ask": people_to_ask() if any(need.is_unsatisfiable for need in needs) else [],
        "next_reminder_at": next_reminder_at(request) if presented.is_undecided else None,
        "may_pick_up": bool(pick_ups_of([request], by=actor)),
        "timeline": timeline(request),
        "reason": many_lines(request.reason),
        "typed_reason": typed.get("reason", "") if typed else "",
        "outcome": many_lines(request.outcome),
        "longest_reason": LONGEST_REASON,
    }


def _rows(requests: Sequence[ApprovalRequest], *, actor: Actor) -> list[Row]:
    presented = present(requests, actor=actor)
    remaining = remaining_approvers(requests)
    return [Row(each, remaining.get(each.request.pk, [])) for each in presented]


def _values(cursor: str) -> Values | None:
    """Return the values of a cursor; None, which is the beginning, if it is invalid."""
    try:
        return _NEWEST.read(cursor) if cursor else None
    except ValueError:
        return None
