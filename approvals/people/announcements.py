"""E-mails to people about their second factor, which someone else may have changed."""

from typing import Any

from approvals.people.commands import ResetSecondFactor
from audit.factors.commands import RecoveryCodeUsed, SecondFactorRemoved, SecondFactorSetUp
from audit.installation.settings import countersign
from audit.messages.characters import actor_name
from audit.messages.classes import Event
from audit.models.records import CommandRecord
from audit.reactions.deliveries import Delivery

#: The events that are announced.
ANNOUNCED: tuple[type[Event], ...] = (SecondFactorSetUp, SecondFactorRemoved, RecoveryCodeUsed)
SUBJECT = "[Countersign] Your second factor"
_IF_NOT_YOU = (
    "If you neither did nor requested this, contact an administrator, who can reset your second "
    "factor and require a new password."
)


def text_of(event: Any, delivery: Delivery) -> str:
    """Return the text of an announcement."""
    record = CommandRecord.objects.filter(command_id=delivery.command_id).first()
    lines = [_what(event, record), _by(record, delivery), _IF_NOT_YOU, countersign().base_url]
    return "\n\n".join(filter(None, lines))


def _by(record: CommandRecord | None, delivery: Delivery) -> str:
    at = f"at {delivery.occurred_at:%Y-%m-%d %H:%M} UTC"
    if record is None:
        return f"{at.capitalize()}."
    # The address of an administrator is not for others.
    is_known = record.client_address and record.message_type != ResetSecondFactor.message_type
    address = f", from {record.client_address}" if is_known else ""
    return f"By {actor_name(record.actor_label)}, {at}{address}."


def _what(event: Any, record: CommandRecord | None) -> str:
    match event:
        case SecondFactorSetUp(replaced=True):
            return "Your authenticator app and your recovery codes were replaced by new ones."
        case SecondFactorSetUp():
            return "An authenticator app, with recovery codes, was set up for your account."
        case RecoveryCodeUsed(left=0):
            return (
                "The last of your recovery codes was used. To get new ones, set up an "
                "authenticator app again."
            )
        case RecoveryCodeUsed(left=left):
            return f"One of your recovery codes was used. You have {left} left."
        case _ if record and record.message_type == ResetSecondFactor.message_type:
            return "Your authenticator app and your recovery codes were reset."
        case _:
            return "Your authenticator app and your recovery codes were removed."
