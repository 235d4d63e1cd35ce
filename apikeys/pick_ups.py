"""Secrets that wait to be picked up."""

from collections.abc import Collection

from django.utils import timezone

from apikeys.commands import PickUpSecret
from apikeys.models import PickUp
from audit.domain import Actor, Command, Subject


def pick_ups_of(subjects: Collection[Subject], *, actor: Actor) -> dict[Subject, Command]:
    """Return for each of these keys the command with which a person can pick up its secret now."""
    if actor.kind != "user":
        return {}
    waiting = PickUp.objects.filter(
        actor_person=actor.person_id, until__gt=timezone.now(), api_key__deleted_at=None
    )
    found = {Subject("api-key", str(each.api_key_id)): each.api_key_id for each in waiting}
    return {each: PickUpSecret(api_key_id=found[each]) for each in subjects if each in found}
