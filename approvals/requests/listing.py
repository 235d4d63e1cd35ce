"""Queries for the approval requests that a caller may see."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from functools import lru_cache, partial, reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Case, Q, QuerySet, When
from django.utils import timezone

from approvals.models import ApprovalRequest, State
from approvals.models.states import RequestStatus, in_state
from approvals.requests.approvers import needing_vote
from approvals.requests.evaluated import Evaluated
from approvals.requests.statuses import may_have, statuses_of
from approvals.requests.voting.approver import Approver
from approvals.requests.voting.filters import asks, asks_group_of, certainly_asks, may_ask
from audit.actors.actors import Actor
from audit.messages.classes import Subject

VIEW = "approvals.view_approvalrequest"
_MOST_STATEMENTS = 500
# In this order, PostgreSQL reads the index instead of the rows.
_IN_INDEX = ("approve_by", "pk")


def found_by(query: dict[str, Any], *, actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the requests that match a validated query."""
    requests = VIEWS[query["view"]](actor)
    if "state" in query:
        requests = requests.filter(in_state(query["state"]))
    if "status" in query:
        requests = with_status(requests, RequestStatus(query["status"]))
    if "type" in query:
        requests = requests.filter(message_type__in=query["type"])
    if "subject" in query:
        subject = query["subject"]
        requests = requests.filter(subject_type=subject.type, subject_id=subject.id)
    return requests


def visible_to(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the requests that the actor may see: its own, and with the permission its tenants'.

    A request without a tenant is visible to users who see every tenant, and to its approvers, also
    to those of a group that a policy of today may add.
    """
    requests = ApprovalRequest.objects.all()
    if not actor.may(VIEW):
        return requests.filter(_own(actor))
    also = _own(actor)
    if actor.kind == "user" and actor.is_confined:
        also |= Q(tenant="") & asks_group_of(Approver.of(actor))
    return actor.confine(requests, also=also)


def altered() -> Iterator[ApprovalRequest]:
    """Yield the requests that are set aside, in the order of their ids."""
    for request in ApprovalRequest.objects.order_by("pk").iterator():
        if not request.is_intact:
            yield request


def row_problems() -> Iterator[str]:
    """Yield one sentence for each of them."""
    for request in altered():
        why = "was altered in the database" if request.row_seal else "has no seal"
        yield f"The {request} {why}: it is set aside."


def needing_vote_of(actor: Actor) -> Evaluated:
    """Return the pending requests on which the user's vote would count, by the rules of votes."""
    if not _may_vote(actor):
        return Evaluated(ApprovalRequest).none()
    return _needing_vote_of(Approver.of(actor), actor=actor)


def _needing_vote_of(approver: Approver, *, actor: Actor) -> Evaluated:
    if not approver.may_vote:
        return Evaluated(ApprovalRequest).none()
    # Those without a tenant are visible to the people who are asked.
    visible = actor.confine(ApprovalRequest.objects.all(), also=_own(actor) | Q(tenant=""))
    found = visible.filter(in_state(State.PENDING), asks(approver))
    needing = partial(needing_vote, person_id=approver.person_id)
    return Evaluated.of(found).narrowed(needing, certain=certainly_asks(approver))


def count_needing_vote_of(actor: Actor, *, most: int) -> int:
    """Return how many requests `needing_vote_of` returns, or ``most`` if there are more."""
    if not _may_vote(actor):
        return 0
    approver = Approver.of(actor)
    pairs = _pairs_needing_vote_of(approver, actor=actor, most=most) if approver.may_vote else []
    doubtful = [pk for pk, is_certain in pairs if not is_certain]
    if not doubtful:
        return len(pairs)
    if len(pairs) == most:  # those that follow may take the place of doubtful ones
        return len(_needing_vote_of(approver, actor=actor).order_by(*_IN_INDEX)[:most].ids())
    evaluated = ApprovalRequest.objects.filter(pk__in=doubtful)
    needing = needing_vote(list(evaluated), person_id=int(actor.person_id))
    return len(pairs) - len(doubtful) + len(needing)


def _pairs_needing_vote_of(
    approver: Approver, *, actor: Actor, most: int
) -> list[tuple[UUID, bool]]:
    """Return ids of requests that may need the user's vote, each with whether it certainly does."""
    sql, parameters = _statement(approver, actor.tenants, most=most)
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(sql, [now if isinstance(each, datetime) else each for each in parameters])
        pairs: list[tuple[UUID, bool]] = cursor.fetchall()
    return pairs


# Every page runs it, and to build it takes 20 ms of CPU. Its only date-time is the present.
@lru_cache(maxsize=_MOST_STATEMENTS)
def _statement(
    approver: Approver, tenants: frozenset[str] | None, *, most: int
) -> tuple[str, tuple[Any, ...]]:
    person_id = str(approver.person_id)
    actor = Actor(kind="user", id=person_id, person_id=person_id, label="", tenants=tenants)
    found = _needing_vote_of(approver, actor=actor).order_by(*_IN_INDEX)
    return found.pairs()[:most].query.sql_with_params()


def watched_by(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the visible pending requests that do not need the user's vote."""
    if not _may_vote(actor):
        return pending_for(actor)
    approver = Approver.of(actor)
    if not approver.may_vote:
        return pending_for(actor)
    needs = Case(When(certainly_asks(approver), then=True), default=False)
    found = pending_for(actor).alias(needs=needs).filter(needs=False)
    return Evaluated.of(found).narrowed(
        lambda rows: {row.pk for row in rows} - needing_vote(rows, person_id=approver.person_id),
        certain=~Q(Case(When(may_ask(approver), then=True), default=False)),
    )


def _may_vote(actor: Actor) -> bool:
    return actor.kind == "user" and actor.may(VIEW)


def with_status(requests: QuerySet[ApprovalRequest], status: RequestStatus) -> Evaluated:
    """Return those of the requests that have a status now."""

    def belonging(rows: Collection[ApprovalRequest]) -> set[UUID]:
        found = statuses_of(rows)
        return {row.pk for row in rows if found[row.pk] is status}

    return Evaluated.of(requests.filter(may_have(status))).narrowed(belonging)


def pending_for(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the visible requests that can still be decided."""
    return visible_to(actor).filter(in_state(State.PENDING))


def decided_for(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Return the visible requests that can no longer be decided."""
    # Each part has its index: most requests may still be pending.
    decided = Q(state__in=[each for each in State.values if each != State.PENDING])
    return visible_to(actor).filter(decided | in_state(State.EXPIRED))


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


def _own(actor: Actor) -> Q:
    if actor.kind == "user":
        return Q(requester_person=actor.person_id)
    return Q(requester_kind=actor.kind, requester_id=actor.id)


#: The views of the list, each with its query.
VIEWS = {"all": visible_to, "mine": requested_by, "needs_my_vote": needing_vote_of}
