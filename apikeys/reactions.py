"""Processes of API keys, and the handlers of their commands: what ends because time passes."""

from uuid import UUID

from apikeys import events
from apikeys.commands import EndOverlap, ExpirePickUp
from apikeys.models import ApiKey, PickUp
from audit.domain import Context, Process, handles, on, process


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


@handles(EndOverlap, locks=ApiKey)
def end_overlap(command: EndOverlap, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    api_key.check_has_one_secret()
    context.emit(events.OverlapEnded(api_key_id=api_key.pk))
    return api_key


@handles(ExpirePickUp, locks=ApiKey)
def expire_pick_up(command: ExpirePickUp, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    api_key.awaited_pick_up().check_is_over()
    context.emit(events.SecretNotPickedUp(api_key_id=api_key.pk))
    return api_key
