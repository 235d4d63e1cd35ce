"""Secrets that wait to be picked up."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from apikeys.commands import PickUpSecret
from apikeys.models import PickUp
from audit.domain import Actor, Command, Subject


def pick_ups_of(
    executed: Mapping[UUID, Subject] | None, *, by: Actor | None = None
) -> dict[UUID, tuple[Command, datetime]]:
    """Return for executed commands the commands that pick up their secrets, and until when.

    ``executed`` has the subjects of the commands; None stands for all of them. With a person, only
    what that person can pick up now.
    """
    waiting = PickUp.objects.filter(until__gt=timezone.now(), api_key__deleted_at=None)
    if by is not None:
        is_person = by.kind == "user"
        waiting = waiting.filter(actor_person=by.person_id) if is_person else waiting.none()
    if executed is None:
        return {each.command_id: _offer(each) for each in waiting if each.command_id}
    keys = [UUID(each.id) for each in executed.values() if each.type == "api-key"]
    found = {
        Subject("api-key", str(each.api_key_id)): each for each in waiting.filter(api_key__in=keys)
    }
    return {
        command_id: _offer(pick_up)
        for command_id, subject in executed.items()
        # Claims of earlier versions do not name the command.
        if (pick_up := found.get(subject)) and pick_up.command_id in (None, command_id)
    }


def _offer(pick_up: PickUp) -> tuple[Command, datetime]:
    return PickUpSecret(api_key_id=pick_up.api_key_id), pick_up.until
