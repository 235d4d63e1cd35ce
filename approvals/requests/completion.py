"""Requests that have enough approvals again without another vote: a voter is eligible again."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from approvals.models import ApprovalRequest, Decision, State, Vote
from approvals.models.states import in_state
from approvals.policies import evaluation
from audit.messages.classes import Command, SubjectOf


def completed_by(command: Command) -> list[ApprovalRequest]:
    """Return the requests that have enough approvals now that a command was executed, locked.

    A vote that is being cast meanwhile is either counted here, or counts the person itself.
    """
    voters = Vote.objects.filter(voter__in=_people(command), decision=Decision.APPROVE)
    undecided = ApprovalRequest.objects.filter(in_state(State.PENDING))
    voted_on = undecided.filter(pk__in=voters.values("request")).order_by("pk")
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
    """
    if request.present_state is not State.PENDING:
        return False
    approvals = sum(vote.decision == Decision.APPROVE for vote in request.current_votes())
    quorums = (rule["quorum"] for rule in request.requirements["rules"])
    return approvals >= sum(quorums) and evaluation.is_satisfied(request)


def _people(command: Command) -> Iterable[int] | QuerySet:
    """Return the ids of the people who may be able to do more after a command."""
    empowers = command.empowers
    match empowers:
        case SubjectOf(type="group"):
            group_id = getattr(command, empowers.id_field)
            return get_user_model().objects.filter(groups=group_id).values("pk")
        case SubjectOf(type="user"):
            return [getattr(command, empowers.id_field)]
        case _:
            return []
