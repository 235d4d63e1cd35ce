"""Handlers of commands on people and groups."""

from functools import partial
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.core.mail import send_mail
from django.db import transaction

from approvals.people import accounts
from approvals.people.accounts import OWNERS
from approvals.people.commands import (
    AddToGroup,
    CreateGroup,
    CreateUser,
    DeleteGroup,
    DeleteUser,
    GrantGroupPermission,
    GrantPermission,
    RemoveFromGroup,
    RenameGroup,
    RequirePasswordReset,
    RevokeGroupPermission,
    RevokePermission,
    SendPasswordLink,
    SetStaff,
    SetSuperuser,
    SetUserActive,
)
from approvals.people.events import (
    GroupCreated,
    GroupDeleted,
    GroupPermissionGranted,
    GroupPermissionRevoked,
    GroupRenamed,
    MemberJoined,
    MemberLeft,
    PasswordLinkSent,
    PasswordResetRequired,
    PermissionGranted,
    PermissionRevoked,
    StaffSet,
    SuperuserSet,
    UserActivated,
    UserCreated,
    UserDeactivated,
    UserDeleted,
)
from audit.bus.context import Context
from audit.bus.handling import handles
from audit.messages.classes import Event
from audit.messages.exceptions import Conflict


class NothingToChange(Conflict):
    """This is already the case."""


class StillReferredTo(Conflict):
    """Other records refer to it: it cannot be deleted."""

    title = "Still in use"
    remedy = "Keep it, or remove the references first."


class OwnersGoByTheirName(Conflict):
    """The group Policy owners cannot be renamed or deleted: it protects the policies."""

    title = "Protected group"
    remedy = "Keep the group and its name."


class NoAddress(Conflict):
    """There is no e-mail address on file."""

    title = "No e-mail address"
    remedy = "Use an account with an e-mail address."


@handles(CreateUser)
def create_user(command: CreateUser, context: Context) -> User:
    user = accounts.new_user(username=command.username, email=command.email)
    user.save(force_insert=True)
    # At a replay the caller is gone, and the last approver must not see the link.
    if not context.is_replay:
        context.reveal(accounts.password_link(user))
    context.emit(UserCreated(user_id=user.pk, username=user.username))
    return user


@handles(SendPasswordLink)
def send_password_link(command: SendPasswordLink, context: Context) -> User:
    user = _user(command.user_id)
    if not user.email:
        raise NoAddress
    transaction.on_commit(partial(_send_link, user), robust=True)
    context.emit(PasswordLinkSent(user_id=user.pk))
    return user


@handles(RequirePasswordReset)
def require_password_reset(command: RequirePasswordReset, context: Context) -> User:
    user = _user(command.user_id)
    # Sessions contain a hash of the password: a new password ends them.
    user.set_unusable_password()
    user.save(update_fields=["password"])
    context.emit(PasswordResetRequired(user_id=user.pk))
    return user


@handles(SetUserActive)
def set_user_active(command: SetUserActive, context: Context) -> User:
    told = UserActivated if command.is_active else UserDeactivated
    return _set(
        command.user_id, "is_active", command.is_active, told(user_id=command.user_id), context
    )


@handles(SetStaff)
def set_staff(command: SetStaff, context: Context) -> User:
    told = StaffSet(user_id=command.user_id, is_staff=command.is_staff)
    return _set(command.user_id, "is_staff", command.is_staff, told, context)


@handles(SetSuperuser)
def set_superuser(command: SetSuperuser, context: Context) -> User:
    told = SuperuserSet(user_id=command.user_id, is_superuser=command.is_superuser)
    return _set(command.user_id, "is_superuser", command.is_superuser, told, context)


@handles(DeleteUser)
def delete_user(command: DeleteUser, context: Context) -> None:
    user = _user(command.user_id)
    keeping = accounts.rows_that_keep(user)
    if keeping:
        message = f"{', '.join(keeping)} refer to {user}: deactivate the account instead."
        raise StillReferredTo(message)
    user.delete()
    context.emit(UserDeleted(user_id=command.user_id, username=user.username))


@handles(GrantPermission)
def grant_permission(command: GrantPermission, context: Context) -> User:
    user = _user(command.user_id)
    told = PermissionGranted(user_id=user.pk, permission=command.permission)
    _change(user.user_permissions, accounts.permission_named(command.permission), told, context)
    return user


@handles(RevokePermission)
def revoke_permission(command: RevokePermission, context: Context) -> User:
    user = _user(command.user_id)
    told = PermissionRevoked(user_id=user.pk, permission=command.permission)
    _change(user.user_permissions, accounts.permission_named(command.permission), told, context)
    return user


@handles(GrantGroupPermission)
def grant_group_permission(command: GrantGroupPermission, context: Context) -> Group:
    group = _group(command.group_id)
    told = GroupPermissionGranted(group_id=group.pk, permission=command.permission)
    _change(group.permissions, accounts.permission_named(command.permission), told, context)
    return group


@handles(RevokeGroupPermission)
def revoke_group_permission(command: RevokeGroupPermission, context: Context) -> Group:
    group = _group(command.group_id)
    told = GroupPermissionRevoked(group_id=group.pk, permission=command.permission)
    _change(group.permissions, accounts.permission_named(command.permission), told, context)
    return group


@handles(CreateGroup)
def create_group(command: CreateGroup, context: Context) -> Group:
    group = accounts.new_group(command.group_name)
    group.save(force_insert=True)
    context.emit(GroupCreated(group_id=group.pk, group_name=group.name))
    return group


@handles(RenameGroup)
def rename_group(command: RenameGroup, context: Context) -> Group:
    group = _group(command.group_id)
    if group.name == OWNERS:
        raise OwnersGoByTheirName
    accounts.rename(group, command.group_name)
    context.emit(GroupRenamed(group_id=group.pk, group_name=group.name))
    return group


@handles(DeleteGroup)
def delete_group(command: DeleteGroup, context: Context) -> None:
    group = _group(command.group_id)
    if group.name == OWNERS:
        raise OwnersGoByTheirName
    keeping = accounts.rows_that_keep(group)
    if keeping:
        message = f"{', '.join(keeping)} refer to the group {group}, now or in the past."
        raise StillReferredTo(message)
    group.delete()
    context.emit(GroupDeleted(group_id=command.group_id, group_name=group.name))


@handles(AddToGroup)
def add_to_group(command: AddToGroup, context: Context) -> User:
    user, group = _user(command.user_id), _group(command.group_id)
    _change(user.groups, group, MemberJoined(group_id=group.pk, user_id=user.pk), context)
    return user


@handles(RemoveFromGroup)
def remove_from_group(command: RemoveFromGroup, context: Context) -> User:
    user, group = _user(command.user_id), _group(command.group_id)
    _change(user.groups, group, MemberLeft(group_id=group.pk, user_id=user.pk), context)
    return user


def _user(user_id: int) -> User:
    return User.objects.select_for_update().get(pk=user_id)


def _group(group_id: int) -> Group:
    return Group.objects.select_for_update().get(pk=group_id)


def _change(related: Any, row: Group | Permission, told: Event, context: Context) -> None:
    """Add a row to the related rows of a person or group, or remove it, and emit the event.

    :raises NothingToChange: if it is there already, or is not there.
    """
    is_added = isinstance(told, PermissionGranted | GroupPermissionGranted | MemberJoined)
    if related.contains(row) == is_added:
        raise NothingToChange
    (related.add if is_added else related.remove)(row)
    context.emit(told)


def _set(user_id: int, name: str, value: object, told: Event, context: Context) -> User:
    """Set a flag of a user's account, and emit its event.

    :raises NothingToChange: if it already has that value.
    """
    user = _user(user_id)
    if getattr(user, name) == value:
        raise NothingToChange
    setattr(user, name, value)
    user.save(update_fields=[name])
    context.emit(told)
    return user


def _send_link(user: User) -> None:
    text = f"Set your password here: {accounts.password_link(user)}"
    send_mail("[Countersign] Set your password", text, None, [user.email])
