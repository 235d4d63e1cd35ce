"""Ordinary activity of people and services. A new habit is one more line in ``_HABITS``."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeAlias
from uuid import UUID

from django.utils import timezone

from apikeys import commands
from apikeys.models import PickUp
from approvals.decisions.commands import Approve, Deny, TakeBack, Withdraw
from audit.bus.dispatch import refuse_input
from audit.messages.classes import Command
from audit.messages.exceptions import FieldError, Invalid
from config.demo.busy import texts
from config.demo.busy.stage import APPROVED, UNDECIDED, Ending, Stage

_Habit: TypeAlias = Callable[[Stage, str], object]

# Endings of requests with their weights.
_ENDINGS: dict[Ending, int] = {
    APPROVED: 80,
    (Deny,): 7,
    (Withdraw,): 5,
    (TakeBack, Deny): 2,
    (Approve,): 2,
    UNDECIDED: 4,
}


def do_something(stage: Stage) -> None:
    """Send a random command for a random customer."""
    customer = stage.draw({name: staff.share for name, staff in texts.STAFF.items()})
    stage.draw(_HABITS)(stage, customer)


def _service_or_senior(stage: Stage, customer: str) -> str:
    is_service = stage.random.random() < 0.65  # noqa: PLR2004  # two in three
    return stage.pick(texts.STAFF[customer].services) if is_service else _senior(stage, customer)


def _senior(stage: Stage, customer: str) -> str:
    return stage.pick(texts.STAFF[customer].seniors)


def _junior(stage: Stage, customer: str) -> str:
    return stage.pick(texts.STAFF[customer].juniors)


def _stranger(stage: Stage, customer: str) -> str:
    return _senior(stage, stage.pick(name for name in texts.STAFF if name != customer))


def _create(stage: Stage, customer: str) -> None:
    name = stage.pick(texts.SYSTEMS) + stage.pick(texts.PLACES)
    by = _service_or_senior(stage, customer)
    stage.attempt(stage.new_key(customer, name, by=by), by=by, ending=APPROVED)


def _change(
    command: Callable[..., Command],
    stage: Stage,
    customer: str,
    *,
    is_enabled: bool = True,
    sender: Callable[[Stage, str], str] = _service_or_senior,
) -> None:
    """Send a command about a key, if there is such a key."""
    api_key = stage.some_key(customer, is_enabled=is_enabled)
    if api_key is not None:
        reason, by = stage.pick(texts.REASONS[command]), sender(stage, customer)
        change = command(api_key_id=api_key.pk, **texts.FIELDS.get(reason, {}))
        stage.attempt(change, by=by, reason=reason, ending=stage.draw(_ENDINGS))


def _enable_missing_key(stage: Stage, customer: str) -> None:
    """Enable a key that never existed."""
    command = commands.EnableApiKey(api_key_id=UUID(stage.token()))
    stage.attempt(command, by=_senior(stage, customer))


def _pick_up_secret(stage: Stage, customer: str) -> None:
    """Pick up the secret of a key whose creation had to be approved."""
    names = {(sender.kind, sender.id): name for name, sender in stage.senders.items()}
    waiting = PickUp.objects.filter(api_key__in=stage.keys_of(customer))
    for pick_up in waiting.filter(until__gt=timezone.now()).order_by("until", "pk")[:1]:
        command = commands.PickUpSecret(api_key_id=pick_up.api_key_id)
        stage.attempt(command, by=names[pick_up.actor_kind, pick_up.actor_id])


def _send_nonsense(stage: Stage, customer: str) -> None:
    """Send input that is invalid for every command."""
    unknown = FieldError("nmae", "unknown", "is no field")
    context = stage.context(stage.pick(texts.STAFF[customer].services))
    with suppress(Invalid):
        refuse_input(commands.CreateApiKey, Invalid(errors=[unknown]), context=context)


# Habits with their weights.
_HABITS: dict[_Habit, int] = {
    _create: 23,
    partial(_change, commands.EnableApiKey, is_enabled=False): 22,
    partial(_change, commands.DisableApiKey): 34,
    partial(_change, commands.UpdateApiKey): 8,
    partial(_change, commands.RotateApiKey): 6,
    partial(_change, commands.DeleteApiKey, is_enabled=False): 3,
    _pick_up_secret: 9,
    # These are refused: the key is enabled, or the sender may not do it.
    partial(_change, commands.EnableApiKey, sender=_senior): 5,
    partial(_change, commands.DisableApiKey, sender=_junior): 3,
    partial(_change, commands.EnableApiKey, sender=_stranger): 2,
    _enable_missing_key: 3,
    _send_nonsense: 3,
}
