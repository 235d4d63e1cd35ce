"""Handlers of customer and API key commands."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from apikeys import commands, events, rights
from apikeys.models import ApiKey, Customer, KeyName, limits, refusals
from apikeys.models.names import check_new_name, similar_keys
from apikeys.models.tokens import Token
from audit.domain import (
    Actor,
    Context,
    Subject,
    check_confirmed,
    check_name,
    confusable_with,
    finds_similar,
    handles,
    pending_on,
    precondition,
    quoted,
)

# What a key may always do to itself, and what protects it from its own changes while it waits.
_REVOKING = {
    commands.DisableApiKey.message_type: "disable",
    commands.DeleteApiKey.message_type: "delete",
}


@handles(commands.CreateCustomer)
def create_customer(command: commands.CreateCustomer, context: Context) -> Customer:
    limits.check_name(command.name)
    check_name(command.name)
    Customer.check_is_free(command.name)
    check_new_customer(command, context)
    customer = Customer.objects.create(pk=command.customer_id, name=command.name)
    context.emit(events.CustomerCreated(customer_id=customer.pk, name=customer.name))
    return customer


@precondition(commands.CreateCustomer)
def check_new_customer(command: commands.CreateCustomer, context: Context) -> None:
    """Refuse early a name that is easily confused with another one.

    :raises SimilarName: if it is, and that is not confirmed.
    """
    (similar,) = find_customers([command], context.actor)
    is_confirmed = command.confirm_similar_name or context.is_replay
    check_confirmed(similar, is_confirmed=is_confirmed)


@finds_similar(commands.CreateCustomer)
def find_customers(asked: Sequence[commands.CreateCustomer], actor: Actor) -> list[list[str]]:
    names = [each.name for each in actor.confine(Customer.objects.order_by("pk"), "pk")]
    return [
        [f"customer {quoted(name)}" for name in filter(confusable_with(each.name), names)]
        for each in asked
    ]


@handles(commands.AddMember)
def add_member(command: commands.AddMember, context: Context) -> Customer:
    customer = Customer.objects.get(pk=command.customer_id)
    customer.membership_set.create(user_id=command.user_id)
    context.emit(events.MemberAdded(customer_id=customer.pk, user_id=command.user_id))
    return customer


@handles(commands.CreateApiKey)
def create_api_key(command: commands.CreateApiKey, context: Context) -> ApiKey:
    check_creation(command, context)
    # When a held creation is replayed, its caller is gone: only the last approver would see the
    # secret. The key waits without one until its requester picks it up.
    token = None if context.is_replay else Token.generate(command.environment)
    api_key = ApiKey.objects.create(
        pk=command.api_key_id, prefix=token.prefix if token else "", **command.columns()
    )
    KeyName.of(api_key).add()
    if token:
        api_key.secrets.create(digest=token.digest)
        context.reveal(token.text)
    else:
        api_key.await_pick_up(context.actor, command_id=context.command_id)
    context.emit(events.ApiKeyCreated(**command.content(), has_secret=token is not None))
    return api_key


@precondition(commands.CreateApiKey)
def check_creation(command: commands.CreateApiKey, context: Context) -> None:
    """Check that the key could be used, and does not exceed the rights of its creator.

    :raises Invalid: if a scope is unknown, or the key would already be expired.
    :raises NotInYourName: if the key would act for another person.
    :raises NotAMember: if its owner does not act for the customer.
    :raises BeyondOwnRights: if it could do what its creator may not.
    :raises SimilarName: if another key has a similar name, unless that is confirmed.
    """
    limits.check_scopes(command.scopes)
    limits.check_is_to_come(command.expires_at)
    rights.check_owner(context.actor, owner_id=command.owner_id)
    similar = check_new_name(
        api_key_id=command.api_key_id,
        customer_id=command.customer_id,
        owner_id=command.owner_id,
        name=command.name,
    )
    _check_confirmed(command, similar, context)
    rights.check_not_beyond(context.actor, owner_id=command.owner_id, key_scopes=command.scopes)


@handles(commands.UpdateApiKey, locks=ApiKey)
def update_api_key(command: commands.UpdateApiKey, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    _check_update(api_key, command, context)
    changed = api_key.change(command.changes())
    if "name" in changed:
        KeyName.renew(api_key)
    if changed:
        values = command.as_json()
        changes = {name: values[name] for name in changed}
        context.emit(events.ApiKeyUpdated(api_key_id=api_key.pk, changes=changes))
    return api_key


@precondition(commands.UpdateApiKey)
def check_update(command: commands.UpdateApiKey, context: Context) -> bool:
    """Refuse early what would be refused on execution; return False if nothing would change."""
    api_key = ApiKey.objects.found(pk=command.api_key_id)
    _check_update(api_key, command, context)
    return bool(api_key.differing(command.changes()))


def _check_update(api_key: ApiKey, command: commands.UpdateApiKey, context: Context) -> None:
    """Check the key, before and after the change, against the actor's rights.

    :raises AlreadyDeleted: if the key is deleted.
    :raises RevocationWaiting: if the key changes itself while its revocation is waiting.
    :raises Invalid: if a scope is unknown, or the key would already be expired.
    :raises BeyondOwnRights: if it can, or then could, do what the actor may not.
    :raises SimilarName: if another key has a name similar to the new one, unless confirmed.
    """
    api_key.check_not_deleted()
    _check_not_being_revoked(api_key, context)
    if command.scopes is not None:
        limits.check_scopes(command.scopes)
    limits.check_is_to_come(command.expires_at)
    key_scopes = (*api_key.scopes, *(command.scopes or ()))
    rights.check_not_beyond(context.actor, owner_id=api_key.owner_id, key_scopes=key_scopes)
    if command.name not in (None, api_key.name) and not command.confirm_similar_name:
        (similar,) = similar_keys([(api_key.pk, api_key.customer_id, command.name or "")])
        _check_confirmed(command, similar, context)


def _check_confirmed(
    command: commands.CreateApiKey | commands.UpdateApiKey,
    similar: Sequence[ApiKey],
    context: Context,
) -> None:
    """Check that keys with similar names are confirmed; several keys may have the same name.

    :raises SimilarName: if not. An approver has seen the names.
    """
    others = [str(each) for each in similar if each.name != command.name]
    is_confirmed = command.confirm_similar_name or context.is_replay
    check_confirmed(others, is_confirmed=is_confirmed)


@finds_similar(commands.CreateApiKey)
def find_keys_like_new(asked: Sequence[commands.CreateApiKey], actor: Actor) -> list[list[str]]:
    return _labels([(each.api_key_id, each.customer_id, each.name) for each in asked], actor)


@finds_similar(commands.UpdateApiKey)
def find_keys_like_renamed(asked: Sequence[commands.UpdateApiKey], actor: Actor) -> list[list[str]]:
    keys = ApiKey.objects.in_bulk([each.api_key_id for each in asked])
    names = [
        (each.api_key_id, key.customer_id, each.name)
        for each in asked
        if each.name and (key := keys.get(each.api_key_id))
    ]
    labels = _labels(names, actor)
    found = {(key, name): each for (key, _, name), each in zip(names, labels, strict=True)}
    return [found.get((each.api_key_id, each.name or ""), []) for each in asked]


def _labels(names: Sequence[tuple[UUID, UUID, str]], actor: Actor) -> list[list[str]]:
    """Return the labels of the keys with similar names that the actor may see."""
    return [
        list(map(str, found)) if actor.may_see(str(customer_id)) else []
        for (_, customer_id, _), found in zip(names, similar_keys(names), strict=True)
    ]


@handles(commands.RotateApiKey, locks=ApiKey)
def rotate_api_key(command: commands.RotateApiKey, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    _check_rotation(api_key, command, context)
    overlap, former_ends_at = timedelta(seconds=command.overlap_seconds), None
    if context.is_replay:
        # As at creation. The old secret works until there is a new one.
        api_key.await_pick_up(context.actor, command_id=context.command_id, overlap=overlap)
    else:
        token = Token.generate(api_key.environment)
        former_ends_at = api_key.rotate(token, overlap=overlap)
        context.reveal(token.text)
    context.emit(
        events.ApiKeyRotated(
            api_key_id=api_key.pk,
            overlap_seconds=command.overlap_seconds,
            has_secret=not context.is_replay,
            former_ends_at=former_ends_at,
        )
    )
    return api_key


@precondition(commands.RotateApiKey)
def check_rotation(command: commands.RotateApiKey, context: Context) -> None:
    """Refuse early what would be refused on execution, before anyone has to approve it."""
    _check_rotation(ApiKey.objects.found(pk=command.api_key_id), command, context)


def _check_rotation(api_key: ApiKey, command: commands.RotateApiKey, context: Context) -> None:
    _check_rights(api_key, context)
    if not command.replace_pick_up:
        api_key.check_nothing_waits()


@handles(commands.PickUpSecret, locks=ApiKey)
def pick_up_secret(command: commands.PickUpSecret, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    pick_up = api_key.awaited_pick_up()
    pick_up.check_is_for(context.actor)
    _check_rights(api_key, context)
    token = Token.generate(api_key.environment)
    former_ends_at = api_key.rotate(token, overlap=pick_up.overlap)
    context.reveal(token.text)
    context.emit(events.SecretPickedUp(api_key_id=api_key.pk, former_ends_at=former_ends_at))
    return api_key


@handles(commands.EnableApiKey, locks=ApiKey)
def enable_api_key(command: commands.EnableApiKey, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    _check_not_being_revoked(api_key, context)
    if api_key.enable():
        context.emit(events.ApiKeyEnabled(api_key_id=api_key.pk))
    return api_key


@handles(commands.DisableApiKey, locks=ApiKey)
def disable_api_key(command: commands.DisableApiKey, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    if api_key.disable():
        context.emit(events.ApiKeyDisabled(api_key_id=api_key.pk))
    return api_key


@handles(commands.DeleteApiKey, locks=ApiKey)
def delete_api_key(command: commands.DeleteApiKey, context: Context) -> ApiKey:
    api_key = ApiKey.objects.locked(pk=command.api_key_id)
    if api_key.mark_deleted():
        context.emit(events.ApiKeyDeleted(api_key_id=api_key.pk))
    return api_key


@precondition(commands.EnableApiKey)
def check_enabling(command: commands.EnableApiKey, context: Context) -> bool:
    """Refuse early what would be refused on execution; return False if the key is enabled."""
    api_key = ApiKey.objects.found(pk=command.api_key_id)
    api_key.check_not_deleted()
    _check_not_being_revoked(api_key, context)
    return not api_key.is_enabled


@precondition(commands.DisableApiKey)
def check_disabling(command: commands.DisableApiKey, context: Context) -> bool:
    """Refuse early to disable a deleted key; return False if the key is disabled."""
    api_key = ApiKey.objects.found(pk=command.api_key_id)
    api_key.check_not_deleted()
    return api_key.is_enabled


@precondition(commands.DeleteApiKey)
def check_deletion(command: commands.DeleteApiKey, context: Context) -> bool:
    """Return False if the key is deleted already."""
    return ApiKey.objects.found(pk=command.api_key_id).deleted_at is None


def _check_rights(api_key: ApiKey, context: Context) -> None:
    """Check that the actor may have a secret of the key.

    :raises AlreadyDeleted: if the key is deleted.
    :raises RevocationWaiting: if the key changes itself while its revocation is waiting.
    :raises BeyondOwnRights: if it can do what the actor may not.
    """
    api_key.check_not_deleted()
    _check_not_being_revoked(api_key, context)
    owner_id, key_scopes = api_key.owner_id, api_key.scopes
    rights.check_not_beyond(context.actor, owner_id=owner_id, key_scopes=key_scopes)


def _check_not_being_revoked(api_key: ApiKey, context: Context) -> None:
    """Check that a key does not change itself while a request to disable or delete it is waiting.

    :raises RevocationWaiting: if there is one.
    """
    if (context.actor.kind, context.actor.id) != ("api_key", str(api_key.pk)):
        return
    for pending in pending_on(Subject("api-key", str(api_key.pk))):
        if verb := _REVOKING.get(pending.message_type):
            message = (
                f"A request to {verb} this key is waiting. "
                "Until it is decided, the key cannot change itself."
            )
            raise refusals.RevocationWaiting(message)
