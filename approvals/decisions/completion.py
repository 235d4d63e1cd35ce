"""Release of requests that have enough approvals again, because a voter is eligible again."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from approvals.decisions.commands import ReleaseRequest
from approvals.models import ApprovalRequest, Decision, State, Vote
from approvals.models.states import in_state
from approvals.policies import evaluation
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command, SubjectOf
from audit.messages.exceptions import CommandError


def release_completed(command: Command, context: Context) -> None:
    """Release the requests that a command completed, as the system, in its transaction.

    They are locked first: a vote that is being cast is either counted here, or counts the person
    itself. The outcome of a held command does not change that of this command.
    """
    voters = Vote.objects.filter(voter__in=_people(command), decision=Decision.APPROVE)
    undecided = ApprovalRequest.objects.filter(in_state(State.PENDING))
    voted_on = undecided.filter(pk__in=voters.values("request")).order_by("pk")
    for request in voted_on.select_for_update():
        if _is_complete(request):
            release(request.pk, channel=context.channel)


def release(request_id: UUID, *, channel: str) -> bool:
    """Release a request; return False if it is decided already, or lacks approvals."""
    command = ReleaseRequest(approval_request_id=request_id)
    try:
        dispatch(command, context=Context(channel=channel))
    except CommandError:
        # The refusal is recorded, and has no effect on what completed the request.
        return False
    return True


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
