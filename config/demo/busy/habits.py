"""Ordinary activity of people and services. A new habit is one more line in ``_HABITS``."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, TypeAlias
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
from audit.messages.exceptions import FieldError, Invalid
from config.demo.busy import texts
from config.demo.busy.decisions import ask_and_decide, decide_somehow
from config.demo.busy.stage import Firm, Speaker, Stage

_Act: TypeAlias = Callable[[Stage, Firm], None]

_OVERLAPS = (0, 3_600, 86_400, 3 * 86_400)
_LIFETIMES = (30, 90, 365)


class Habit(NamedTuple):
    """A recurring action, with its frequency relative to the others."""

    act: _Act
    weight: int


def do_something(stage: Stage) -> None:
    """Let a random customer do a random thing."""
    shares = [texts.SHARES[firm.customer.name] for firm in stage.firms]
    (firm,) = stage.random.choices(stage.firms, weights=shares)
    (habit,) = stage.random.choices(_HABITS, weights=[habit.weight for habit in _HABITS])
    habit.act(stage, firm)


def create_key(stage: Stage, firm: Firm) -> None:
    name = stage.pick(texts.SYSTEMS) + stage.pick(texts.PLACES)
    _create(stage, firm, name=name)


def enable_key(stage: Stage, firm: Firm) -> None:
    api_key = some_key(stage, firm, is_enabled=False)
    if api_key is None:
        return create_key(stage, firm)
    command, speaker = EnableApiKey(api_key_id=api_key.pk), anybody(stage, firm)
    return ask_and_decide(stage, command, by=speaker, reason=stage.pick(texts.WHY_ENABLE))


def disable_key(stage: Stage, firm: Firm) -> None:
    api_key = some_key(stage, firm, is_enabled=True)
    if api_key is None:
        return
    command, speaker = DisableApiKey(api_key_id=api_key.pk), anybody(stage, firm)
    request = stage.ask(command, by=speaker, reason=stage.pick(texts.WHY_DISABLE))
    if request is not None:
        decide_somehow(stage, request, speaker)


def change_key(stage: Stage, firm: Firm) -> None:
    """Change the description, networks, scopes or metadata of a key."""
    api_key = some_key(stage, firm, is_enabled=True)
    if api_key is not None:
        fields, why = stage.random.choice(texts.CHANGES)
        command = UpdateApiKey(api_key_id=api_key.pk, **fields)
        ask_and_decide(stage, command, by=_owner(firm, api_key), reason=why)


def let_it_end(stage: Stage, firm: Firm) -> None:
    """Set an expiry date on a key."""
    api_key = some_key(stage, firm, is_enabled=True)
    if api_key is not None:
        lifetime = timedelta(days=stage.random.choice(_LIFETIMES))
        command = UpdateApiKey(api_key_id=api_key.pk, expires_at=timezone.now() + lifetime)
        why = stage.pick(texts.WHY_EXPIRE)
        ask_and_decide(stage, command, by=_owner(firm, api_key), reason=why)


def rotate_key(stage: Stage, firm: Firm) -> None:
    """Rotate the secret of a key, mostly with some overlap."""
    api_key = some_key(stage, firm, is_enabled=True)
    if api_key is not None:
        overlap = stage.random.choice(_OVERLAPS)
        command = RotateApiKey(api_key_id=api_key.pk, overlap_seconds=overlap)
        why = stage.pick(texts.WHY_ROTATE)
        ask_and_decide(stage, command, by=_owner(firm, api_key), reason=why)


def delete_key(stage: Stage, firm: Firm) -> None:
    api_key = some_key(stage, firm, is_enabled=False)
    if api_key is not None:
        command, why = DeleteApiKey(api_key_id=api_key.pk), stage.pick(texts.WHY_DELETE)
        ask_and_decide(stage, command, by=_owner(firm, api_key), reason=why)


def pick_up_secret(stage: Stage, firm: Firm) -> None:
    """Pick up the secret of a key that had to be approved."""
    waiting = PickUp.objects.filter(api_key__in=stage.keys_of(firm)).order_by("until", "pk")
    for pick_up in waiting[:1]:
        for speaker in (*firm.people.values(), *firm.robots):
            if (speaker.kind, speaker.id) == (pick_up.actor_kind, pick_up.actor_id):
                stage.say(PickUpSecret(api_key_id=pick_up.api_key_id), by=speaker)


def repeat_what_is_so(stage: Stage, firm: Firm) -> None:
    """Enable a key that is already enabled."""
    api_key = some_key(stage, firm, is_enabled=True)
    if api_key is not None:
        stage.say(EnableApiKey(api_key_id=api_key.pk), by=stage.random.choice(firm.seniors))


def ask_for_too_much(stage: Stage, firm: Firm) -> None:
    """Send a command without its permission, or for a key of another customer."""
    others = [each for each in stage.firms if each is not firm]
    target = some_key(stage, stage.random.choice(others), is_enabled=True)
    own = some_key(stage, firm, is_enabled=True)
    if firm.juniors and own and stage.random.random() < 0.6:  # noqa: PLR2004  # six in ten
        stage.say(
            DisableApiKey(api_key_id=own.pk),
            by=stage.random.choice(firm.juniors),
            reason=stage.pick(texts.WHY_DISABLE),
        )
    elif target:
        stage.say(EnableApiKey(api_key_id=target.pk), by=anybody(stage, firm))


def mistype(stage: Stage, firm: Firm) -> None:
    """Enable a key that never existed."""
    speaker = stage.random.choice(firm.seniors)
    stage.say(EnableApiKey(api_key_id=UUID(stage.token())), by=speaker)


def send_nonsense(stage: Stage, firm: Firm) -> None:
    """Send input that is invalid for every command."""
    problems = [
        FieldError("name", "blank", "may not be blank"),
        FieldError("nmae", "unknown", "is no field"),
    ]
    context = stage.context(stage.random.choice(firm.robots))
    context.idempotency_key = None
    with suppress(Invalid):
        refuse_input(CreateApiKey, Invalid(errors=problems), context=context)


def name_it_carelessly(stage: Stage, firm: Firm) -> None:
    """Create a key with a meaningless name, which a policy forbids from some day on."""
    _create(stage, firm, name=f"tmp-{stage.random.randrange(100)}")


_HABITS = (
    Habit(create_key, 18),
    Habit(enable_key, 22),
    Habit(disable_key, 34),
    Habit(change_key, 6),
    Habit(let_it_end, 2),
    Habit(rotate_key, 6),
    Habit(delete_key, 3),
    Habit(pick_up_secret, 6),
    Habit(repeat_what_is_so, 5),
    Habit(ask_for_too_much, 5),
    Habit(mistype, 3),
    Habit(send_nonsense, 3),
    Habit(name_it_carelessly, 3),
)


def anybody(stage: Stage, firm: Firm) -> Speaker:
    """Choose a sender for a customer: mostly a service."""
    is_program = stage.random.random() < 0.65  # noqa: PLR2004  # two in three
    return stage.random.choice(firm.robots if is_program else firm.seniors)


def some_key(stage: Stage, firm: Firm, *, is_enabled: bool) -> ApiKey | None:
    """Choose a key of a customer, except deleted keys and those that its services use."""
    found = stage.keys_of(firm).filter(deleted_at=None, is_enabled=is_enabled)
    keys = list(found.order_by("created_at", "pk"))
    return stage.random.choice(keys) if keys else None


def _create(stage: Stage, firm: Firm, *, name: str) -> None:
    speaker = anybody(stage, firm)
    command = CreateApiKey(
        customer_id=firm.customer.pk, owner_id=firm.owner_of_keys_by(speaker), name=name
    )
    ask_and_decide(stage, command, by=speaker, reason=stage.pick(texts.WHY_CREATE))


def _owner(firm: Firm, api_key: ApiKey) -> Speaker:
    owners = (each for each in firm.people.values() if each.id == str(api_key.owner_id))
    return next(owners, firm.seniors[0])
