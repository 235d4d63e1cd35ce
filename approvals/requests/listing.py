"""Queries for the approval requests that a caller may see."""

from collections import defaultdict
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import F, Max, Q, QuerySet

from approvals.models import ApprovalRequest, Decision, State, Vote
from approvals.models.states import in_state
from approvals.requests.approver_filters import asks, asks_group_of
from audit.actors.actors import Actor
from audit.messages.classes import Subject


def found_by(query: dict[str, Any], *, actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the requests that match a validated query."""
    requests = VIEWS[query["view"]](actor)
    if "state" in query:
        requests = requests.filter(in_state(query["state"]))
    if "type" in query:
        requests = requests.filter(message_type__in=query["type"])
    if "subject" in query:
        subject = query["subject"]
        requests = requests.filter(subject_type=subject.type, subject_id=subject.id)
    return requests


def visible_to(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the requests that the actor may see: its own, and with the permission its tenants'.

    A request without a tenant is visible to users who see every tenant, and to its approvers.
    """
    requests = ApprovalRequest.objects.all()
    if not actor.may("approvals.view_approvalrequest"):
        return requests.filter(_own(actor))
    also = _own(actor)
    if actor.kind == "user":
        also |= Q(tenant="") & asks_group_of(int(actor.person_id))
    return actor.confine(requests, also=also)


def needing_vote_of(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the pending requests on which the user's vote would count, by the rules of votes."""
    if actor.kind != "user" or not actor.may("approvals.view_approvalrequest"):
        return ApprovalRequest.objects.none()
    person_id = int(actor.person_id)
    of_others = ~Q(requester_person=actor.person_id)
    return (
        visible_to(actor)
        .filter(
            in_state(State.PENDING),
            asks(person_id),
            of_others | Q(requirements__options__requester_may_vote=True),
        )
        .exclude(pk__in=_voted_on(person_id))
    )


def pending_for(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the visible requests that can still be decided."""
    return visible_to(actor).filter(in_state(State.PENDING))


def decided_for(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the visible requests that can no longer be decided."""
    return visible_to(actor).exclude(in_state(State.PENDING))


def requested_by(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the actor's own requests: a user's include those by keys, a key's only its own."""
    return ApprovalRequest.objects.filter(_own(actor))


def open_about(subjects: Iterable[Subject | None], *, actor: Actor) -> list[ApprovalRequest]:
    """Return the visible requests on these subjects that can still be decided, oldest first."""
    identifiers: defaultdict[str, list[str]] = defaultdict(list)
    for subject in filter(None, subjects):
        identifiers[subject.type].append(subject.id)
    about = [Q(subject_type=each, subject_id__in=those) for each, those in identifiers.items()]
    found = pending_for(actor).filter(reduce(or_, about, Q(pk__in=())))
    return list(found.order_by("requested_at", "pk"))


def _voted_on(person: int) -> QuerySet[Vote, UUID]:
    """Return the ids of requests with a current vote of the person, newer than any take-back.

    Evaluated once, from one index in its order, instead of for each of 10,000 pending requests.
    """
    newest_taken_back = Max("number", filter=Q(decision=Decision.TAKE_BACK))
    of_person = Vote.objects.filter(voter_id=person).values("request")
    stated = of_person.annotate(newest=Max("number"), taken_back=newest_taken_back)
    current = stated.filter(Q(taken_back=None) | Q(newest__gt=F("taken_back")))
    return current.values_list("request", flat=True)


def _own(actor: Actor) -> Q:
    if actor.kind == "user":
        return Q(requester_person=actor.person_id)
    return Q(requester_kind=actor.kind, requester_id=actor.id)


#: The views of the list, each with its query.
VIEWS = {"all": visible_to, "mine": requested_by, "needs_my_vote": needing_vote_of}
