"""Processes of API keys: the end of a rotation's overlap, and secrets not picked up in time."""

from uuid import UUID

from apikeys import events
from apikeys.commands import EndOverlap, ExpirePickUp
from apikeys.models import PickUp
from audit.domain import Process, on, process


@process("apikeys.rotation", key="api_key_id", permissions={"apikeys.end_overlap"})
class Rotation(Process):
    """The overlap of a rotation, in which the former secret still works."""

    @on(events.ApiKeyRotated, events.SecretPickedUp)
    def begin(self, event: events.ApiKeyRotated | events.SecretPickedUp) -> None:
        if event.former_ends_at is not None:
            self.at(event.former_ends_at, self.end)

    def end(self) -> None:
        self.send_or_retry(EndOverlap(api_key_id=UUID(self.key)))
        self.finish()

    @on(events.ApiKeyDeleted)
    def forget(self, event: events.ApiKeyDeleted) -> None:
        self.finish()


@process("apikeys.pick_ups", key="api_key_id", permissions={"apikeys.expire_pick_up"})
class PickUps(Process):
    """A secret that waits to be picked up by its requester."""

    @on(events.ApiKeyCreated, events.ApiKeyRotated)
    def wait(self, event: events.ApiKeyCreated | events.ApiKeyRotated) -> None:
        pick_up = PickUp.objects.filter(api_key=event.api_key_id).first()
        if event.has_secret or pick_up is None:
            self.finish()
        else:
            self.at(pick_up.until, self.expire)

    def expire(self) -> None:
        self.send_or_retry(ExpirePickUp(api_key_id=UUID(self.key)))
        self.finish()

    @on(events.SecretPickedUp, events.ApiKeyDeleted)
    def forget(self, event: events.SecretPickedUp | events.ApiKeyDeleted) -> None:
        self.finish()
