"""Requests that have enough approvals again without another vote.

A voter is eligible again, or a policy no longer requires more or forbids the command.
"""

from collections.abc import Collection
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from approvals.models import ApprovalRequest, Decision, State, Vote
from approvals.models.states import in_state
from approvals.policies import effective, evaluation
from audit.messages.classes import Command, SubjectOf


def completed_by(command: Command, *, besides: Collection[UUID]) -> list[ApprovalRequest]:
    """Return the other requests that have enough approvals now that a command was executed, locked.

    A vote that is being cast meanwhile is either counted here, or counts the person itself.
    """
    others = ApprovalRequest.objects.filter(in_state(State.PENDING)).exclude(pk__in=besides)
    voted_on = others.filter(pk__in=_approvals(command).values("request")).order_by("pk")
    return [each for each in voted_on.select_for_update() if _is_complete(each)]


def completed() -> list[UUID]:
    """Return the ids of all requests that have enough approvals but were not executed."""
    voted_on = Vote.objects.filter(decision=Decision.APPROVE).values("request")
    undecided = ApprovalRequest.objects.filter(in_state(State.PENDING), pk__in=voted_on)
    found = undecided.order_by("approve_by", "pk").prefetch_related("votes")
    return [each.pk for each in found.iterator(chunk_size=100) if _is_complete(each)]


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
    effective.read([request])
    return request.barrier is None and bool(evaluation.approvers(request))


def _approvals(command: Command) -> QuerySet[Vote]:
    """Return the approvals that may count, or be enough, after a command."""
    approvals = Vote.objects.filter(decision=Decision.APPROVE)
    match command.empowers:
        case SubjectOf(type="policy"):
            return approvals
        case SubjectOf(type="group", id_field=field):
            members = get_user_model().objects.filter(groups=getattr(command, field))
            return approvals.filter(voter__in=members.values("pk"))
        case SubjectOf(type="user", id_field=field):
            return approvals.filter(voter=getattr(command, field))
        case _:
            return approvals.none()
