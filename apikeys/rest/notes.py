"""Notes on a secret that a response does not show: what has happened to it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from apikeys.commands import PickUpSecret
from apikeys.models import PickUp
from apikeys.rest.resources import ApiKeyResource, ApiKeyWithSecret
from audit.domain import Completed, message_type_of

_SHOWN = (
    "The secret was shown once, in the first response to this request. If it is lost, "
    "POST {url}/rotate issues another one."
)
_WAITING = (
    "The secret was never shown. It is waiting to be picked up, until {until:%Y-%m-%d %H:%M} UTC: "
    "POST {url}/secret shows it once to its requester."
)
_PICKED_UP = (
    "The secret was shown once, when it was picked up. If it is lost, "
    "POST {url}/rotate issues another one."
)
_NEVER = (
    "The secret was never shown, and it can no longer be picked up. "
    "POST {url}/rotate issues another one."
)


def with_secret(shown: ApiKeyResource, completed: Completed) -> ApiKeyWithSecret:
    """Return the JSON of a key with the new secret of a command, or a note on that secret."""
    until = shown["pick_up"]["until"] if shown["pick_up"] else None
    note = None if completed.secret else _note(completed.command_id, until=until)
    text = note.format(url=shown["url"], until=until) if note else None
    return {**shown, "secret": completed.secret, "secret_note": text}


def _note(command_id: UUID, *, until: datetime | None) -> str:
    """Return the note, by the history of the claim that an approved command left behind."""
    history: Any = PickUp.history
    claim = history.filter(history_command_id=command_id, history_type__in="+~").first()
    if claim is None:
        return _SHOWN
    later = history.filter(api_key_id=claim.api_key_id, history_id__gt=claim.history_id)
    end = later.order_by("history_id").first()
    if end is None:
        return _WAITING if until and until > timezone.now() else _NEVER
    is_picked_up = message_type_of(end.history_command_id) == PickUpSecret.message_type
    return _PICKED_UP if is_picked_up else _NEVER
