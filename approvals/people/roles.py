"""The role of an approver: membership of a group, admin access and permissions to view, in one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, User

from approvals.people import accounts, commands, events, handlers, likeness
from approvals.people.commands import MANAGE_PEOPLE, OnUser, group_label
from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.installation import users
from audit.messages.characters import quoted
from audit.messages.classes import Command, SubjectOf
from audit.messages.exceptions import FieldError, Invalid
from audit.subjects.tenants import tenant_word

VIEW_REQUESTS = "approvals.view_approvalrequest"
VIEW_EVERY_TENANT = "audit.view_every_tenant"


@dataclass(frozen=True, kw_only=True)
class GrantApproverRole(OnUser):
    """Make a user an approver in a group, with admin access and permissions to view."""

    message_type = "approvals.grant_approver_role"
    empowers = SubjectOf("user", "user_id")
    depends_on = (users.name_field(), "is_active")

    group_id: int
    permissions: tuple[str, ...] = ()

    def describe(self, subject_label: str) -> str:
        return f"Make {subject_label} an approver in {_place(self)}"


@dataclass(frozen=True, kw_only=True)
class RevokeApproverRole(OnUser):
    """Remove an approver from a group, and revoke what came with the role."""

    message_type = "approvals.revoke_approver_role"
    depends_on = ()

    group_id: int
    permissions: tuple[str, ...] = ()
    revokes_admin_access: bool = False

    def describe(self, subject_label: str) -> str:
        return f"Revoke the role of {subject_label} as an approver in {group_label(self.group_id)}"


@dataclass(frozen=True, kw_only=True)
class CreateApprover(Command):
    """Create a user account as an approver in a group; a password link is e-mailed."""

    message_type = "approvals.create_approver"
    required_permission = MANAGE_PEOPLE
    depends_on = ()

    username: str
    email: str
    group_id: int
    permissions: tuple[str, ...] = ()

    def describe(self, subject_label: str) -> str:
        return f"Create the user {quoted(self.username)} as an approver in {_place(self)}"


def parts_to_grant(command: GrantApproverRole) -> Iterator[Command]:
    """Yield the commands that the role consists of, without those that would change nothing."""
    user = users.manager().get(pk=command.user_id)
    if not user.groups.filter(pk=command.group_id).exists():
        yield commands.AddToGroup(user_id=user.pk, group_id=command.group_id)
    if not user.is_staff:
        yield commands.SetAdminAccess(user_id=user.pk, is_staff=True)
    for name in permissions_of(command):
        if not accounts.was_granted(user.pk, name):
            yield commands.GrantPermission(user_id=user.pk, permission=name)


def parts_to_revoke(command: RevokeApproverRole) -> Iterator[Command]:
    """Yield the commands that undo the role, without those that would change nothing."""
    user = users.manager().get(pk=command.user_id)
    if user.groups.filter(pk=command.group_id).exists():
        yield commands.RemoveFromGroup(user_id=user.pk, group_id=command.group_id)
    if user.is_staff and command.revokes_admin_access:
        yield commands.SetAdminAccess(user_id=user.pk, is_staff=False)
    for name in command.permissions:
        if user.user_permissions.contains(accounts.permission_named(name)):
            yield commands.RevokePermission(user_id=user.pk, permission=name)


def permissions_of(command: GrantApproverRole | CreateApprover) -> list[str]:
    """Return the permissions of the role, that to view approval requests first."""
    return list(dict.fromkeys((VIEW_REQUESTS, *command.permissions)))


def new_approver(command: CreateApprover) -> User:
    """Return the checked account of a new approver, to be saved.

    :raises Invalid: if the name is taken, or a field is invalid.
    :raises LikeAnApprover: if the name is easily confused with another one.
    """
    if not command.email:
        message = "is required: the password link is sent there"
        raise Invalid(errors=[FieldError("email", "required", message)])
    user = accounts.new_user(command.username, email=command.email)
    likeness.check_may_decide(people=[user])
    Group.objects.get(pk=command.group_id)
    _check_permissions(command.permissions)
    return user


@precondition(CreateApprover)
def check_can_be_created(command: CreateApprover, context: Context) -> None:
    """Refuse early what would be refused on execution."""
    new_approver(command)


@precondition(GrantApproverRole)
def check_can_be_granted(command: GrantApproverRole, context: Context) -> None:
    """Refuse early what would be refused on execution.

    :raises NothingToChange: if the user has all of the role.
    """
    Group.objects.get(pk=command.group_id)
    _check_permissions(command.permissions)
    parts = list(parts_to_grant(command))
    if not parts:
        raise handlers.NothingToChange
    if any(isinstance(each, commands.AddToGroup) for each in parts):
        likeness.check_may_decide(people=users.manager().filter(pk=command.user_id))


@precondition(RevokeApproverRole)
def check_can_be_revoked(command: RevokeApproverRole, context: Context) -> None:
    """Refuse early what would be refused on execution.

    :raises NothingToChange: if the user has nothing of what would be revoked.
    """
    Group.objects.get(pk=command.group_id)
    _check_permissions(command.permissions)
    if not any(parts_to_revoke(command)):
        raise handlers.NothingToChange


@handles(CreateApprover)
def create_approver(command: CreateApprover, context: Context) -> User:
    user = new_approver(command)
    user.save(force_insert=True)
    context.emit(events.UserCreated(user_id=user.pk, username=user.get_username()))
    role = GrantApproverRole(
        user_id=user.pk, group_id=command.group_id, permissions=command.permissions
    )
    _carry_out(parts_to_grant(role), context)
    # By e-mail only: the built-in policy always holds this command, so its caller is gone.
    context.emit(events.PasswordLinkSent(user_id=user.pk))
    return user


@handles(GrantApproverRole)
def grant_approver_role(command: GrantApproverRole, context: Context) -> User:
    user = accounts.locked_user(command.user_id)
    check_can_be_granted(command, context)
    _carry_out(parts_to_grant(command), context)
    return user


@handles(RevokeApproverRole)
def revoke_approver_role(command: RevokeApproverRole, context: Context) -> User:
    user = accounts.locked_user(command.user_id)
    check_can_be_revoked(command, context)
    _carry_out(parts_to_revoke(command), context)
    return user


def _carry_out(parts: Iterator[Command], context: Context) -> None:
    for part in list(parts):
        _HANDLERS[type(part)](part, context)


_HANDLERS: Mapping[type[Command], Callable[[Any, Context], User]] = {
    commands.AddToGroup: handlers.add_to_group,
    commands.RemoveFromGroup: handlers.remove_from_group,
    commands.SetAdminAccess: handlers.set_admin_access,
    commands.GrantPermission: handlers.grant_permission,
    commands.RevokePermission: handlers.revoke_permission,
}


def _check_permissions(names: tuple[str, ...]) -> None:
    for name in names:
        accounts.permission_named(name)
        if not name.partition(".")[2].startswith("view_"):
            message = f"must be permissions to view: {name} is not"
            raise Invalid(errors=[FieldError("permissions", "invalid", message)])


def _place(command: GrantApproverRole | CreateApprover) -> str:
    every = f" for every {tenant_word()}" if VIEW_EVERY_TENANT in command.permissions else ""
    return f"{group_label(command.group_id)}{every}"
