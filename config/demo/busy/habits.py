"""Ordinary activity of people and services. A new habit is one more line in ``_HABITS``."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from django.utils import timezone

from apikeys.commands import (
    CreateApiKey,
    DeleteApiKey,
    DisableApiKey,
    EnableApiKey,
    PickUpSecret,
    RotateApiKey,
    UpdateApiKey,
)
from apikeys.models import ApiKey, PickUp
from audit.bus.dispatch import refuse_input
from audit.messages.classes import Command
from audit.messages.exceptions import FieldError, Invalid
from config.demo.busy import texts
from config.demo.busy.decisions import ENDINGS, ask_and_decide
from config.demo.busy.stage import Firm, Speaker, Stage

_Act: TypeAlias = Callable[[Stage, Firm], None]

_OVERLAPS = (0, 3_600, 86_400, 3 * 86_400)
_LIFETIMES = (30, 90, 365)


def do_something(stage: Stage) -> None:
    """Send a random command for a random customer."""
    firm = stage.firms[stage.draw(texts.SHARES)]
    stage.draw(_HABITS)(stage, firm)


def create_key(stage: Stage, firm: Firm) -> None:
    _create(stage, firm, name=stage.pick(texts.SYSTEMS) + stage.pick(texts.PLACES))


def name_it_carelessly(stage: Stage, firm: Firm) -> None:
    """Create a key with a meaningless name, which a policy forbids from some day on."""
    _create(stage, firm, name=f"tmp-{stage.random.randrange(100)}")


def enable_key(stage: Stage, firm: Firm) -> None:
    api_key = some_key(stage, firm, is_enabled=False)
    _change(stage, api_key, EnableApiKey, texts.WHY_ENABLE, by=anybody(stage, firm))


def disable_key(stage: Stage, firm: Firm) -> None:
    api_key = some_key(stage, firm)
    _change(stage, api_key, DisableApiKey, texts.WHY_DISABLE, by=anybody(stage, firm))


def change_key(stage: Stage, firm: Firm) -> None:
    """Change the description, networks, scopes or metadata of a key."""
    api_key, (fields, why) = some_key(stage, firm), stage.pick(texts.CHANGES)
    _change(stage, api_key, UpdateApiKey, (why,), by=anybody(stage, firm), **fields)


def let_it_end(stage: Stage, firm: Firm) -> None:
    """Set an expiry date on a key."""
    api_key, by = some_key(stage, firm), anybody(stage, firm)
    end = timezone.now() + timedelta(days=stage.pick(_LIFETIMES))
    _change(stage, api_key, UpdateApiKey, texts.WHY_EXPIRE, by=by, expires_at=end)


def rotate_key(stage: Stage, firm: Firm) -> None:
    """Rotate the secret of a key, mostly with some overlap."""
    api_key, by = some_key(stage, firm), anybody(stage, firm)
    overlap = stage.pick(_OVERLAPS)
    _change(stage, api_key, RotateApiKey, texts.WHY_ROTATE, by=by, overlap_seconds=overlap)


def delete_key(stage: Stage, firm: Firm) -> None:
    api_key = some_key(stage, firm, is_enabled=False)
    _change(stage, api_key, DeleteApiKey, texts.WHY_DELETE, by=anybody(stage, firm))


def pick_up_secret(stage: Stage, firm: Firm) -> None:
    """Pick up the secret of a key that had to be approved."""
    waiting = PickUp.objects.filter(api_key__in=stage.keys_of(firm)).order_by("until", "pk")
    for pick_up in waiting[:1]:
        for speaker in (*firm.people.values(), *firm.robots):
            if (speaker.kind, speaker.id) == (pick_up.actor_kind, pick_up.actor_id):
                stage.say(PickUpSecret(api_key_id=pick_up.api_key_id), by=speaker)


def repeat_what_is_so(stage: Stage, firm: Firm) -> None:
    """Enable a key that is already enabled."""
    _change(stage, some_key(stage, firm), EnableApiKey, by=stage.pick(firm.seniors))


def ask_without_permission(stage: Stage, firm: Firm) -> None:
    if firm.juniors:
        api_key, by = some_key(stage, firm), stage.pick(firm.juniors)
        _change(stage, api_key, DisableApiKey, texts.WHY_DISABLE, by=by)


def ask_for_a_key_of_another_customer(stage: Stage, firm: Firm) -> None:
    other = stage.pick([each for each in stage.firms.values() if each is not firm])
    _change(stage, some_key(stage, other), EnableApiKey, by=anybody(stage, firm))


def mistype(stage: Stage, firm: Firm) -> None:
    """Enable a key that never existed."""
    command = EnableApiKey(api_key_id=UUID(stage.token()))
    stage.say(command, by=stage.pick(firm.seniors))


def send_nonsense(stage: Stage, firm: Firm) -> None:
    """Send input that is invalid for every command."""
    problems = [
        FieldError("name", "blank", "may not be blank"),
        FieldError("nmae", "unknown", "is no field"),
    ]
    context = stage.context(stage.pick(firm.robots))
    context.idempotency_key = None
    with suppress(Invalid):
        refuse_input(CreateApiKey, Invalid(errors=problems), context=context)


# Habits with their weights.
_HABITS: dict[_Act, int] = {
    create_key: 20,
    name_it_carelessly: 3,
    enable_key: 22,
    disable_key: 34,
    change_key: 6,
    let_it_end: 2,
    rotate_key: 6,
    delete_key: 3,
    pick_up_secret: 6,
    repeat_what_is_so: 5,
    ask_without_permission: 3,
    ask_for_a_key_of_another_customer: 2,
    mistype: 3,
    send_nonsense: 3,
}


def anybody(stage: Stage, firm: Firm) -> Speaker:
    """Choose a sender for a customer: mostly a service."""
    is_program = stage.random.random() < 0.65  # noqa: PLR2004  # two in three
    return stage.pick(firm.robots if is_program else firm.seniors)


def some_key(stage: Stage, firm: Firm, *, is_enabled: bool = True) -> ApiKey | None:
    """Choose a key of a customer, except deleted keys and those that its services use."""
    keys = list(stage.keys_of(firm, is_enabled=is_enabled))
    return stage.pick(keys) if keys else None


def _create(stage: Stage, firm: Firm, *, name: str) -> None:
    by = anybody(stage, firm)
    ask_and_decide(stage, firm.new_key(name, by=by), by=by, reason=stage.pick(texts.WHY_CREATE))


def _change(
    stage: Stage,
    api_key: ApiKey | None,
    command_type: Callable[..., Command],
    reasons: Sequence[str] = ("",),
    *,
    by: Speaker,
    **fields: Any,
) -> None:
    """Send a command about a key, if there is one; if it is held, choose an outcome at random."""
    if api_key is not None:
        command, why = command_type(api_key_id=api_key.pk, **fields), stage.pick(reasons)
        ask_and_decide(stage, command, by=by, reason=why, ending=stage.draw(ENDINGS))
