"""Resubmission of unsuccessful and stale requests."""

from datetime import datetime

from approvals.models import ApprovalRequest, State
from approvals.models.refusals import NotTheRequester, NotToBeRaisedAgain
from approvals.requests.staleness import staleness
from audit.actors.actors import Actor
from audit.messages.classes import Command, generated_fields

_UNSUCCESSFUL = (State.REFUSED, State.FAILED, State.EXPIRED, State.DENIED)


def check_may_be_resubmitted(request: ApprovalRequest, *, actor: Actor) -> None:
    """Check that the actor made the request, and that it was unsuccessful or is stale.

    :raises NotTheRequester: if another actor made the request.
    :raises NotToBeRaisedAgain: if it is in another state.
    """
    if not actor.person_id or actor.person_id != request.requester_person:
        raise NotTheRequester
    is_stale = request.present_state is State.PENDING and staleness(request)
    if request.present_state not in _UNSUCCESSFUL and not is_stale:
        raise NotToBeRaisedAgain


def time_of(request: ApprovalRequest) -> datetime | None:
    """Return the time before which the command of a resubmission is not executed, if any."""
    time: datetime | None = request.execute_after if request.is_early else None
    return time


def resubmitted(request: ApprovalRequest, *, actor: Actor) -> Command:
    """Return the requested command again, with new generated ids.

    :raises CommandError: if it cannot be resubmitted, or is no longer readable.
    """
    check_may_be_resubmitted(request, actor=actor)
    command = request.command()
    generated = generated_fields(type(command))
    asked = {name: value for name, value in command.plain().items() if name not in generated}
    return type(command)(**asked)
