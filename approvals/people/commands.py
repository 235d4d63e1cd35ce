"""Commands on people, groups and their permissions. No command contains a password."""

from dataclasses import dataclass

from django.contrib.auth.models import Group

from audit.messages.classes import Command, SubjectOf

MANAGE_PEOPLE = "approvals.manage_people"
_USER = SubjectOf("user", "user_id")
_GROUP = SubjectOf("group", "group_id")


def _group_label(group_id: int) -> str:
    name = Group.objects.filter(pk=group_id).values_list("name", flat=True).first()
    return f"{name} (group {group_id})" if name else f"group {group_id}"


@dataclass(frozen=True, kw_only=True)
class CreateUser(Command):
    """Create a user account, with a password link that is shown once."""

    message_type = "approvals.create_user"
    required_permission = MANAGE_PEOPLE
    sentence = "Create the user {username}"

    username: str
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class SendPasswordLink(Command):
    """E-mail a password link to the user's address on file."""

    message_type = "approvals.send_password_link"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Send {subject} a password link"

    user_id: int


@dataclass(frozen=True, kw_only=True)
class RequirePasswordReset(Command):
    """Make a user's password unusable, and end all sessions of the user."""

    message_type = "approvals.require_password_reset"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Make the password of {subject} unusable and end their sessions"

    user_id: int


@dataclass(frozen=True, kw_only=True)
class SetUserActive(Command):
    """Activate or deactivate a user account."""

    message_type = "approvals.set_user_active"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Set {subject} active: {is_active}"

    user_id: int
    is_active: bool


@dataclass(frozen=True, kw_only=True)
class DeleteUser(Command):
    """Delete a user account that no other record refers to."""

    message_type = "approvals.delete_user"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Delete the user {subject}"

    user_id: int


@dataclass(frozen=True, kw_only=True)
class SetStaff(Command):
    """Grant or revoke access to the admin pages."""

    message_type = "approvals.set_staff"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Set admin access of {subject}: {is_staff}"

    user_id: int
    is_staff: bool


@dataclass(frozen=True, kw_only=True)
class SetSuperuser(Command):
    """Grant or revoke superuser status."""

    message_type = "approvals.set_superuser"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Set superuser status of {subject}: {is_superuser}"

    user_id: int
    is_superuser: bool


@dataclass(frozen=True, kw_only=True)
class GrantPermission(Command):
    """Grant a user a permission, such as ``apikeys.disable_apikey``."""

    message_type = "approvals.grant_permission"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Grant {subject} the permission {permission}"

    user_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class RevokePermission(Command):
    """Revoke a permission from a user."""

    message_type = "approvals.revoke_permission"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Revoke the permission {permission} from {subject}"

    user_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class GrantGroupPermission(Command):
    """Grant a group a permission."""

    message_type = "approvals.grant_group_permission"
    required_permission = MANAGE_PEOPLE
    subject = _GROUP
    sentence = "Grant the group {subject} the permission {permission}"

    group_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class RevokeGroupPermission(Command):
    """Revoke a permission from a group."""

    message_type = "approvals.revoke_group_permission"
    required_permission = MANAGE_PEOPLE
    subject = _GROUP
    sentence = "Revoke the permission {permission} from the group {subject}"

    group_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class CreateGroup(Command):
    """Create a group."""

    message_type = "approvals.create_group"
    required_permission = MANAGE_PEOPLE
    sentence = "Create the group {group_name}"

    group_name: str


@dataclass(frozen=True, kw_only=True)
class RenameGroup(Command):
    """Rename a group."""

    message_type = "approvals.rename_group"
    required_permission = MANAGE_PEOPLE
    subject = _GROUP
    sentence = "Rename the group {subject} to {group_name}"

    group_id: int
    group_name: str


@dataclass(frozen=True, kw_only=True)
class DeleteGroup(Command):
    """Delete a group that no policy refers to."""

    message_type = "approvals.delete_group"
    required_permission = MANAGE_PEOPLE
    subject = _GROUP
    sentence = "Delete the group {subject}"

    group_id: int


@dataclass(frozen=True, kw_only=True)
class AddToGroup(Command):
    """Add a user to a group."""

    message_type = "approvals.add_to_group"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Add {subject} to {group_id}"

    user_id: int
    group_id: int

    def describe(self, subject_label: str) -> str:
        return f"Add {subject_label} to {_group_label(self.group_id)}"


@dataclass(frozen=True, kw_only=True)
class RemoveFromGroup(Command):
    """Remove a user from a group."""

    message_type = "approvals.remove_from_group"
    required_permission = MANAGE_PEOPLE
    subject = _USER
    sentence = "Remove {subject} from {group_id}"

    user_id: int
    group_id: int

    def describe(self, subject_label: str) -> str:
        return f"Remove {subject_label} from {_group_label(self.group_id)}"
