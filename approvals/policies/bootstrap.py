"""Bootstrap of the policy owners: once, from a shell, as a recorded command."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group, User

from approvals.people import accounts, likeness
from approvals.people.accounts import OWNERS
from approvals.people.events import GroupCreated, GroupPermissionGranted, MemberJoined, MemberLeft
from approvals.policies import handlers
from approvals.policies.built_in import QUORUM
from approvals.policies.commands import CreatePolicy
from audit.bus.context import Context
from audit.bus.handling import handles
from audit.installation import users
from audit.messages.characters import quoted
from audit.messages.classes import Command
from audit.messages.exceptions import Conflict, FieldError, Forbidden, Invalid

LEAST_OWNERS = QUORUM + 1
_POLICY_PARTS = 3
# Permissions to read every request that owners decide on, for any tenant, and to propose changes.
_PERMISSIONS = (
    "approvals.manage_people",
    "approvals.manage_policy",
    "approvals.view_approvalrequest",
    "approvals.view_policy",
    "audit.view_every_tenant",
    "auth.view_group",
)


class AlreadyOwned(Conflict):
    """The group Policy owners already has members: only they can add more."""

    title = "Already has owners"
    remedy = "Ask a policy owner to add members."


class SystemOnly(Forbidden):
    """Only manage.py approvals_bootstrap can do this."""

    remedy = "Ask an operator to run manage.py approvals_bootstrap."


@dataclass(frozen=True, kw_only=True)
class Bootstrap(Command):
    """Appoint the first policy owners, and create the first policies."""

    # No row grants this permission: only the system has it.
    message_type = "approvals.bootstrap"
    required_permission = "approvals.bootstrap"
    sentence = "Make {owners} Policy owners"
    depends_on = ()

    owners: tuple[str, ...]
    policies: tuple[str, ...] = ()


@handles(Bootstrap)
def bootstrap(command: Bootstrap, context: Context) -> Group:
    if context.actor.kind != "system":
        raise SystemOnly
    owners = _owners(command.owners)
    group, is_new = Group.objects.get_or_create(name=OWNERS)
    # A concurrent bootstrap waits here, and then finds the owners.
    Group.objects.select_for_update().get(pk=group.pk)
    if group.user_set.filter(is_active=True).exists():
        raise AlreadyOwned
    # Inactive members must not return as owners.
    for former in list(group.user_set.values_list("pk", flat=True)):
        group.user_set.remove(former)
        context.emit(MemberLeft(group_id=group.pk, user_id=former))
    if is_new:
        context.emit(GroupCreated(group_id=group.pk, group_name=group.name))
    _fill(group, owners, context)
    for line in command.policies:
        handlers.create_policy(_policy(line), context)
    return group


def _owners(usernames: Sequence[str]) -> list[User]:
    named = {f"{users.name_field()}__in": usernames, "is_active": True}
    found = users.manager().filter(**named).order_by("pk")
    missing = sorted(set(usernames) - {user.get_username() for user in found})
    if missing:
        message = f"must be active people: {', '.join(map(quoted, missing))} are not"
        raise Invalid(errors=[FieldError("owners", "unknown", message)])
    if len(found) < LEAST_OWNERS:
        message = f"must be at least {LEAST_OWNERS} people: {QUORUM} approve requests of another"
        raise Invalid(errors=[FieldError("owners", "too_few", message)])
    likeness.check_may_decide(people=found)
    return list(found)


def _fill(group: Group, owners: Sequence[User], context: Context) -> None:
    for name in (*_PERMISSIONS, users.permission("view")):
        permission = accounts.permission_named(name)
        if not group.permissions.contains(permission):
            group.permissions.add(permission)
            context.emit(GroupPermissionGranted(group_id=group.pk, permission=name))
    group.user_set.add(*owners)
    for owner in owners:
        context.emit(MemberJoined(group_id=group.pk, user_id=owner.pk))


def _policy(line: str) -> CreatePolicy:
    """Return a policy written as ``apikeys.disable:Security:2``.

    :raises Invalid: if it is malformed, or the group does not exist.
    """
    parts = line.split(":")
    if len(parts) != _POLICY_PARTS or not parts[2].isdecimal():
        message = "must be written as message type, group and quorum: apikeys.disable:Security:2"
        raise Invalid(errors=[FieldError("policies", "invalid", message)])
    governs, name, quorum = parts
    group = Group.objects.filter(name=name).first()
    if group is None:
        message = f"must name an existing group, not {quoted(name)}"
        raise Invalid(errors=[FieldError("policies", "unknown", message)])
    return CreatePolicy(governs=governs, groups=(group.pk,), quorums=(int(quorum),))
