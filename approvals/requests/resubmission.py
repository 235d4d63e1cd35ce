"""Asking once more for what came to nothing."""

from approvals.models import ApprovalRequest, NotTheRequester, NotToBeRaisedAgain, State
from audit.actors.actors import Actor
from audit.messages.classes import Command, generated_fields

_CAME_TO_NOTHING = (State.REFUSED, State.FAILED, State.EXPIRED, State.DENIED)


def check_may_be_raised_again(request: ApprovalRequest, *, actor: Actor) -> None:
    """Refuse to ask again for what may still come, or has come, and for what others asked for.

    :raises NotTheRequester: if it was somebody else who asked.
    :raises NotToBeRaisedAgain: if the request did not come to nothing.
    """
    if not actor.person_id or actor.person_id != request.requester_person:
        raise NotTheRequester
    if request.present_state not in _CAME_TO_NOTHING:
        raise NotToBeRaisedAgain


def raised_again(request: ApprovalRequest, *, actor: Actor) -> Command:
    """Build what a request asked for once more; what it would make gets an id of its own.

    :raises CommandError: if it is not to be raised again, or cannot be read any more.
    """
    check_may_be_raised_again(request, actor=actor)
    command = request.command()
    generated = generated_fields(type(command))
    asked = {name: value for name, value in command.plain().items() if name not in generated}
    return type(command)(**asked)
