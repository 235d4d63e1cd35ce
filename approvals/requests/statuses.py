"""The current status of requests: one definition for pages, lists, filters, e-mail and the API.

A request can have enough approvals again without another vote: a voter is eligible again, or a
policy no longer requires more or forbids the command.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, Q, QuerySet, prefetch_related_objects
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.module_loading import import_string

from approvals.models import ApprovalRequest, Decision, State, Vote
from approvals.models.states import CHANGES_REQUESTED, RequestStatus, in_state
from approvals.policies import effective
from approvals.policies import slots as matching
from audit.actors.actors import Actor
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.classes import Command, Subject, SubjectOf


def statuses_of(
    requests: Collection[ApprovalRequest], *, electorate: matching.Electorate | None = None
) -> dict[UUID, RequestStatus]:
    """Return the current status of each request, by a number of queries that does not grow.

    If the eligible approvers are given, the effective requirements have been read. ``pick_up_by``
    of a request is set to the deadline for picking up its secret, if there is one.
    """
    if electorate is None:
        prefetch_related_objects([*requests], "votes")
        effective.read(requests)
        electorate = matching.Electorate(requests)
    secrets = pick_ups_of(requests)
    for each in requests:
        _, each.pick_up_by = secrets.get(each.command_id, (None, None))
    return {each.pk: _status(each, electorate, secrets) for each in requests}


def pick_ups_of(
    requests: Collection[ApprovalRequest], *, by: Actor | None = None
) -> Mapping[UUID, tuple[Command, datetime]]:
    """Return the commands that pick up secrets, and until when, by the commands that created them.

    With an actor, only those that the actor can send now.
    """
    executed = {
        each.command_id: each.subject_reference
        for each in requests
        if each.state == State.EXECUTED and each.subject_type
    }
    return _pick_ups(executed, by=by) if executed else {}


def may_have(status: RequestStatus) -> Q:
    """Match the requests that `statuses_of` may find to have a status."""
    match status:
        case RequestStatus.WAITING | RequestStatus.UNSATISFIABLE:
            return in_state(State.PENDING)
        case RequestStatus.APPROVED | RequestStatus.SCHEDULED:
            is_later = status is RequestStatus.SCHEDULED
            return in_state(State.PENDING) & ~Q(voters=[]) & (~_is_due() if is_later else _is_due())
        case RequestStatus.SECRET_TO_PICK_UP:
            return in_state(State.EXECUTED) & Q(command_id__in=list(_pick_ups(None)))
        case RequestStatus.CHANGES_REQUESTED:
            return in_state(State.DENIED) & Q(outcome_code=CHANGES_REQUESTED)
        case RequestStatus.ALTERED:
            # Its columns may have any values.
            return Q()
        case _:
            return in_state(status.value)


def _pick_ups(
    executed: Mapping[UUID, Subject | None] | None, *, by: Actor | None = None
) -> Mapping[UUID, tuple[Command, datetime]]:
    name = countersign().pick_ups
    found: Mapping[UUID, tuple[Command, datetime]]
    found = import_string(name)(executed, by=by) if name else {}
    return found


def _status(
    request: ApprovalRequest, electorate: matching.Electorate, secrets: Mapping[UUID, Any]
) -> RequestStatus:
    match request.present_state:
        case State.PENDING:
            return _undecided(request, electorate)
        case State.EXECUTED if request.command_id in secrets:
            return RequestStatus.SECRET_TO_PICK_UP
        case State.DENIED if request.outcome_code == CHANGES_REQUESTED:
            return RequestStatus.CHANGES_REQUESTED
        case state:
            return RequestStatus(state)


def _undecided(request: ApprovalRequest, electorate: matching.Electorate) -> RequestStatus:
    if request.barrier is not None:
        return RequestStatus.UNSATISFIABLE
    voted = electorate.voted(request)
    if matching.are_filled(voted):
        return RequestStatus.SCHEDULED if request.is_early else RequestStatus.APPROVED
    is_reachable = matching.are_filled(matching.united(voted, electorate.eligible(request)))
    return RequestStatus.WAITING if is_reachable else RequestStatus.UNSATISFIABLE


def completed_by(command: Command) -> list[UUID]:
    """Return the ids of the requests that have enough approvals since a command was committed.

    A vote that is being cast meanwhile is waited for, and counted here.
    """
    approvals = _approvals(command)
    # Most people to whom a command gives something have not voted.
    if not approvals.exists():
        return []
    pending = ApprovalRequest.objects.filter(in_state(State.PENDING))
    voted_on = pending.filter(pk__in=approvals.values("request")).order_by("pk")
    with transaction.atomic():
        return [each.pk for each in voted_on.select_for_update() if _is_complete(each)]


def completed(*, limit: int) -> list[UUID]:
    """Return the ids of requests that have enough approvals but were not executed.

    They have as many voters as approvals are required: the others are not even read.
    """
    undecided = ApprovalRequest.objects.filter(
        in_state(State.PENDING), _has_enough_voters(), _is_due()
    )
    found = undecided.order_by("approve_by", "pk").prefetch_related("votes")
    complete = (each.pk for each in found.iterator(chunk_size=100) if _is_complete(each))
    return list(islice(complete, limit))


def overdue(*, limit: int) -> list[UUID]:
    """Return the ids of overdue requests that no one is deciding; they are locked.

    Altered ones are left out: their commands are refused.
    """
    late = ApprovalRequest.objects.filter(state=State.PENDING, approve_by__lte=timezone.now())
    ordered = late.order_by("approve_by", "pk").iterator(chunk_size=100)
    found = [each.pk for each in islice((each for each in ordered if each.is_intact), limit)]
    free = late.filter(pk__in=found).select_for_update(skip_locked=True)
    return list(free.order_by("approve_by", "pk").values_list("pk", flat=True))


def _is_due() -> Q:
    """Match requests whose execution need not wait for a time."""
    return Q(execute_after=None) | Q(execute_after__lte=timezone.now())


def _has_enough_voters() -> RawSQL:
    """Match requests with at least as many voters as approvals are required, by their columns."""
    return RawSQL(  # without parameters
        "voters IS NULL OR cardinality(voters) >= ("
        "SELECT coalesce(sum((rule ->> 'quorum')::int), 0)"
        " FROM jsonb_array_elements(requirements -> 'rules') AS rule)",
        (),
        output_field=BooleanField(),
    )


def _is_complete(request: ApprovalRequest) -> bool:
    """Return True if a request can still be decided and has enough approvals.

    Votes are counted first: nearly all pending requests have too few, even if all of them count.
    Today's policies never require fewer.
    """
    if request.present_state is not State.PENDING:
        return False
    approvals = sum(vote.decision == Decision.APPROVE for vote in request.current_votes())
    quorums = (rule["quorum"] for rule in request.requirements["rules"])
    if approvals < sum(quorums):
        return False
    return statuses_of([request])[request.pk] is RequestStatus.APPROVED


def _approvals(command: Command) -> QuerySet[Vote]:
    """Return the approvals that may count, or be enough, after a command."""
    approvals = Vote.objects.filter(decision=Decision.APPROVE)
    match command.empowers:
        case SubjectOf(type="policy"):
            return approvals
        case SubjectOf(type="group", id_field=field):
            members = users.manager().filter(groups=getattr(command, field))
            return approvals.filter(_of_place(members.values("pk")))
        case SubjectOf(type="user", id_field=field):
            return approvals.filter(_of_place([getattr(command, field)]))
        case _:
            return approvals.none()


def _of_place(people: Any) -> Q:
    """Match the votes of people, and of their delegates."""
    return Q(voter__in=people) | Q(delegator__in=people)
