"""Handlers of commands on people and groups."""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.utils.text import get_text_list

from approvals.people import accounts, commands, events, likeness
from approvals.people.accounts import OWNERS
from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.factors.commands import SecondFactorRemoved
from audit.factors.models import Authenticator
from audit.installation import users
from audit.messages.characters import quoted
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


@handles(commands.CreateUser)
def create_user(command: commands.CreateUser, context: Context) -> User:
    check_new_user(command, context)
    user = accounts.new_user(command.username, email=command.email)
    user.save(force_insert=True)
    # On a replay the caller is no longer there, and the last approver must not see the link.
    if not context.is_replay:
        context.reveal(accounts.password_link(user))
    context.emit(events.UserCreated(user_id=user.pk, username=user.get_username()))
    return user


@precondition(commands.CreateUser)
def check_new_user(command: commands.CreateUser, context: Context) -> None:
    """Refuse early a name that is easily confused with another one."""
    is_confirmed = command.confirm_similar_name
    likeness.check_new_username(command.username, is_confirmed=is_confirmed, context=context)


@handles(commands.SendPasswordLink)
def send_password_link(command: commands.SendPasswordLink, context: Context) -> User:
    user = accounts.locked_user(command.user_id)
    if not users.email_of(user):
        raise NoAddress
    context.emit(events.PasswordLinkSent(user_id=user.pk))
    return user


@handles(commands.RequirePasswordReset)
def require_password_reset(command: commands.RequirePasswordReset, context: Context) -> User:
    user = accounts.locked_user(command.user_id)
    # Sessions contain a hash of the password: a new password ends them.
    user.set_unusable_password()
    user.save(update_fields=["password"])
    context.emit(events.PasswordResetRequired(user_id=user.pk))
    return user


@handles(commands.ResetSecondFactor)
def reset_second_factor(command: commands.ResetSecondFactor, context: Context) -> User:
    user = accounts.locked_user(command.user_id)
    if not Authenticator.remove(user.pk):
        raise NothingToChange
    context.emit(events.SecondFactorReset(user_id=user.pk))
    context.emit(SecondFactorRemoved(user_id=user.pk, username=user.get_username()))
    return user


@handles(commands.SetAccountStatus)
def set_account_status(command: commands.SetAccountStatus, context: Context) -> User:
    event = events.UserActivated if command.is_active else events.UserDeactivated
    return _set("is_active", command, event(user_id=command.user_id), context)


@handles(commands.SetAdminAccess)
def set_admin_access(command: commands.SetAdminAccess, context: Context) -> User:
    return _set("is_staff", command, events.AdminAccessSet(**command.plain()), context)


@handles(commands.SetSuperuserStatus)
def set_superuser_status(command: commands.SetSuperuserStatus, context: Context) -> User:
    return _set("is_superuser", command, events.SuperuserStatusSet(**command.plain()), context)


@handles(commands.DeleteUser)
def delete_user(command: commands.DeleteUser, context: Context) -> None:
    user = accounts.locked_user(command.user_id)
    check_user_can_be_deleted(user)
    user.delete()
    context.emit(events.UserDeleted(user_id=command.user_id, username=user.get_username()))


def check_user_can_be_deleted(user: User) -> None:
    """Check that no other records refer to an account.

    :raises StillReferredTo: if they do.
    """
    if kinds := accounts.rows_that_keep(user):
        refer = f"{get_text_list(kinds, 'and')} refer to this account"
        message = f"{quoted(user.get_username())} can't be deleted: {refer}."
        raise StillReferredTo(f"{message} Deactivate the account instead.")


@handles(commands.GrantPermission)
def grant_permission(command: commands.GrantPermission, context: Context) -> User:
    user, permission = (
        accounts.locked_user(command.user_id),
        accounts.permission_named(command.permission),
    )
    _add(user.user_permissions, permission, events.PermissionGranted(**command.plain()), context)
    return user


@handles(commands.RevokePermission)
def revoke_permission(command: commands.RevokePermission, context: Context) -> User:
    user, permission = (
        accounts.locked_user(command.user_id),
        accounts.permission_named(command.permission),
    )
    _remove(user.user_permissions, permission, events.PermissionRevoked(**command.plain()), context)
    return user


@handles(commands.GrantGroupPermission)
def grant_group_permission(command: commands.GrantGroupPermission, context: Context) -> Group:
    group, permission = _group(command.group_id), accounts.permission_named(command.permission)
    _add(group.permissions, permission, events.GroupPermissionGranted(**command.plain()), context)
    return group


@handles(commands.RevokeGroupPermission)
def revoke_group_permission(command: commands.RevokeGroupPermission, context: Context) -> Group:
    group, permission = _group(command.group_id), accounts.permission_named(command.permission)
    event = events.GroupPermissionRevoked(**command.plain())
    _remove(group.permissions, permission, event, context)
    return group


@handles(commands.CreateGroup)
def create_group(command: commands.CreateGroup, context: Context) -> Group:
    group = Group(name=command.group_name)
    accounts.check_valid(group)
    check_new_group(command, context)
    group.save(force_insert=True)
    context.emit(events.GroupCreated(group_id=group.pk, group_name=group.name))
    return group


@precondition(commands.CreateGroup)
def check_new_group(command: commands.CreateGroup, context: Context) -> None:
    """Refuse early a name that is easily confused with another one."""
    is_confirmed = command.confirm_similar_name
    likeness.check_new_group_name(command.group_name, is_confirmed=is_confirmed, context=context)


@handles(commands.RenameGroup)
def rename_group(command: commands.RenameGroup, context: Context) -> Group:
    group = _group(command.group_id)
    if group.name == OWNERS:
        raise OwnersGoByTheirName
    group.name = command.group_name
    accounts.check_valid(group)
    check_renamed_group(command, context)
    group.save(update_fields=["name"])
    context.emit(events.GroupRenamed(group_id=group.pk, group_name=group.name))
    return group


@precondition(commands.RenameGroup)
def check_renamed_group(command: commands.RenameGroup, context: Context) -> None:
    """Refuse early a name that is easily confused with another one."""
    likeness.check_new_group_name(
        command.group_name,
        group=Group.objects.get(pk=command.group_id),
        is_confirmed=command.confirm_similar_name,
        context=context,
    )


@handles(commands.DeleteGroup)
def delete_group(command: commands.DeleteGroup, context: Context) -> None:
    group = _group(command.group_id)
    check_group_can_be_deleted(group)
    group.delete()
    context.emit(events.GroupDeleted(group_id=command.group_id, group_name=group.name))


def check_group_can_be_deleted(group: Group) -> None:
    """Check that a group is not *Policy owners*, and that no other records refer to it.

    :raises OwnersGoByTheirName: if it is *Policy owners*.
    :raises StillReferredTo: if other records refer to it.
    """
    if group.name == OWNERS:
        raise OwnersGoByTheirName
    if kinds := accounts.rows_that_keep(group):
        refer = f"{get_text_list(kinds, 'and')} refer to this group, now or in the past"
        raise StillReferredTo(f"{quoted(group.name)} can't be deleted: {refer}.")


@handles(commands.AddToGroup)
def add_to_group(command: commands.AddToGroup, context: Context) -> User:
    user, group = accounts.locked_user(command.user_id), _group(command.group_id)
    check_may_join(command, context)
    _add(user.groups, group, events.MemberJoined(**command.plain()), context)
    return user


@precondition(commands.AddToGroup)
def check_may_join(command: commands.AddToGroup, context: Context) -> None:
    """Refuse early a new approver whose name is easily confused with another one."""
    if command.group_id in likeness.deciding_groups():
        likeness.check_may_decide(people=users.manager().filter(pk=command.user_id))


@handles(commands.RemoveFromGroup)
def remove_from_group(command: commands.RemoveFromGroup, context: Context) -> User:
    user, group = accounts.locked_user(command.user_id), _group(command.group_id)
    _remove(user.groups, group, events.MemberLeft(**command.plain()), context)
    return user


def _group(group_id: int) -> Group:
    return Group.objects.select_for_update().get(pk=group_id)


def _add(related: Any, row: Group | Permission, event: Event, context: Context) -> None:
    if related.contains(row):
        raise NothingToChange
    related.add(row)
    context.emit(event)


def _remove(related: Any, row: Group | Permission, event: Event, context: Context) -> None:
    if not related.contains(row):
        raise NothingToChange
    related.remove(row)
    context.emit(event)


def _set(flag: str, command: Any, event: Event, context: Context) -> User:
    """Set a flag of a user's account to the value in the command.

    :raises NothingToChange: if it already has that value.
    """
    user, value = accounts.locked_user(command.user_id), getattr(command, flag)
    if getattr(user, flag) == value:
        raise NothingToChange
    setattr(user, flag, value)
    user.save(update_fields=[flag])
    context.emit(event)
    return user
