"""Superseding: a stale request is replaced when its command is requested again."""

from collections.abc import Sequence

from approvals.decisions import events, execution
from approvals.models import ApprovalRequest, State
from approvals.requests import staleness
from audit.bus.context import Context
from audit.messages.exceptions import Cancelled, Conflict


class Supersession(Cancelled):
    """The request was stale and was replaced by a new one."""

    code = "superseded"


class BeingDecided(Conflict):
    """A stale request for this command is being decided right now."""

    title = "Being decided"
    remedy = "Send the command again."


def stale_among(waiting: Sequence[ApprovalRequest]) -> list[ApprovalRequest]:
    """Return the requests that execution would refuse as stale."""
    found = staleness.staleness_of(waiting)
    return [request for request in waiting if found[request.pk]]


def supersede(stale: Sequence[ApprovalRequest], *, by: ApprovalRequest, context: Context) -> None:
    """End stale requests in favor of a new one, which has no votes.

    :raises BeingDecided: if another transaction is deciding one of them.
    """
    for request in _locked(stale):
        message = f"Superseded by {by}. {staleness.staleness(request)}".strip()
        execution.cancel_request(request, State.SUPERSEDED, Supersession(message))
        context.emit(events.RequestSuperseded(approval_request_id=request.pk, successor_id=by.pk))
    ids = [str(request.pk) for request in stale]
    context.decision = (context.decision or {}) | {"supersedes": ids}


def _locked(stale: Sequence[ApprovalRequest]) -> list[ApprovalRequest]:
    """Lock the requests without waiting: a vote has locked its request, and needs the subject.

    :raises BeingDecided: if one is locked, or no longer pending.
    """
    locked = ApprovalRequest.objects.select_for_update(skip_locked=True).order_by("pk")
    found = list(locked.filter(pk__in=[each.pk for each in stale], state=State.PENDING))
    if len(found) != len(stale):
        raise BeingDecided
    return found
