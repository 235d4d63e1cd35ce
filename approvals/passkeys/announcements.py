"""E-mails about passkeys to the policy owners and the person, who may not have changed them."""

from typing import Any

from django.urls import reverse

from approvals.passkeys import commands
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.characters import actor_name, quoted_text
from audit.messages.classes import Event
from audit.models.records import CommandRecord
from audit.reactions.deliveries import Delivery

#: The events that are announced.
ANNOUNCED: tuple[type[Event], ...] = (
    commands.PasskeyRegistered,
    commands.PasskeyRemoved,
    commands.PasskeyReset,
    commands.EnrolmentCodeIssued,
)
SUBJECT = "[Countersign] Passkeys were changed"


def text_of(event: Any, delivery: Delivery) -> str:
    """Return the text of an announcement."""
    user = users.manager().filter(pk=event.user_id).first()
    name = actor_name(str(user)) if user else f"User {event.user_id}"
    record = CommandRecord.objects.filter(command_id=delivery.command_id).first()
    lines = [
        f"{name} {_what(event)}.",
        f"By {actor_name(record.actor_label)}, at {delivery.occurred_at:%Y-%m-%d %H:%M} UTC."
        if record
        else "",
        "If this was not agreed, deactivate the account, and reset its passkeys.",
        f"Own passkeys: {countersign().base_url}{reverse('countersign:own-passkeys')}",
    ]
    return "\n\n".join(filter(None, lines))


def _what(event: Event) -> str:
    match event:
        case commands.PasskeyRegistered(passkey_name=name, signed_with=None):
            return f"registered a first passkey, {quoted_text(name)}"
        case commands.PasskeyRegistered(passkey_name=name):
            return f"registered a further passkey, {quoted_text(name)}"
        case commands.PasskeyRemoved():
            return "removed a passkey"
        case commands.PasskeyReset():
            return "had a passkey reset, and may register a first one again"
        case _:
            return "may register a first passkey with an enrolment code"
