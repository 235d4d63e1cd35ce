"""Commands on people, groups and their permissions. No command contains a password."""

from dataclasses import dataclass

from django.contrib.auth.models import Group

from audit.messages.characters import quoted
from audit.messages.classes import Command, SubjectOf

MANAGE_PEOPLE = "approvals.manage_people"


def _group_label(group_id: int) -> str:
    name = Group.objects.filter(pk=group_id).values_list("name", flat=True).first()
    return f"{quoted(name)} (group {group_id})" if name else f"group {group_id}"


@dataclass(frozen=True, kw_only=True)
class _OnUser(Command):
    required_permission = MANAGE_PEOPLE
    subject = SubjectOf("user", "user_id")

    user_id: int


@dataclass(frozen=True, kw_only=True)
class _OnGroup(Command):
    required_permission = MANAGE_PEOPLE
    subject = SubjectOf("group", "group_id")

    group_id: int


@dataclass(frozen=True, kw_only=True)
class CreateUser(Command):
    """Create a user account, with a password link that is shown once."""

    message_type = "approvals.create_user"
    required_permission = MANAGE_PEOPLE
    sentence = "Create the user {username}"

    username: str
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class SendPasswordLink(_OnUser):
    """E-mail a password link to the user's address on file."""

    message_type = "approvals.send_password_link"
    sentence = "Send {subject} a password link"


@dataclass(frozen=True, kw_only=True)
class RequirePasswordReset(_OnUser):
    """Make a user's password unusable, and end all sessions of the user."""

    message_type = "approvals.require_password_reset"
    sentence = "Make the password of {subject} unusable and end their sessions"


@dataclass(frozen=True, kw_only=True)
class SetUserActive(_OnUser):
    """Activate or deactivate a user account."""

    message_type = "approvals.set_user_active"
    sentence = "Set {subject} active: {is_active}"

    is_active: bool


@dataclass(frozen=True, kw_only=True)
class DeleteUser(_OnUser):
    """Delete a user account that no other record refers to."""

    message_type = "approvals.delete_user"
    sentence = "Delete the user {subject}"


@dataclass(frozen=True, kw_only=True)
class SetStaff(_OnUser):
    """Grant or revoke access to the admin pages."""

    message_type = "approvals.set_staff"
    sentence = "Set admin access of {subject}: {is_staff}"

    is_staff: bool


@dataclass(frozen=True, kw_only=True)
class SetSuperuser(_OnUser):
    """Grant or revoke superuser status."""

    message_type = "approvals.set_superuser"
    sentence = "Set superuser status of {subject}: {is_superuser}"

    is_superuser: bool


@dataclass(frozen=True, kw_only=True)
class GrantPermission(_OnUser):
    """Grant a user a permission, such as ``apikeys.disable_apikey``."""

    message_type = "approvals.grant_permission"
    sentence = "Grant {subject} the permission {permission}"

    permission: str


@dataclass(frozen=True, kw_only=True)
class RevokePermission(_OnUser):
    """Revoke a permission from a user."""

    message_type = "approvals.revoke_permission"
    sentence = "Revoke the permission {permission} from {subject}"

    permission: str


@dataclass(frozen=True, kw_only=True)
class GrantGroupPermission(_OnGroup):
    """Grant a group a permission."""

    message_type = "approvals.grant_group_permission"
    sentence = "Grant the group {subject} the permission {permission}"

    permission: str


@dataclass(frozen=True, kw_only=True)
class RevokeGroupPermission(_OnGroup):
    """Revoke a permission from a group."""

    message_type = "approvals.revoke_group_permission"
    sentence = "Revoke the permission {permission} from the group {subject}"

    permission: str


@dataclass(frozen=True, kw_only=True)
class CreateGroup(Command):
    """Create a group."""

    message_type = "approvals.create_group"
    required_permission = MANAGE_PEOPLE
    sentence = "Create the group {group_name}"

    group_name: str


@dataclass(frozen=True, kw_only=True)
class RenameGroup(_OnGroup):
    """Rename a group."""

    message_type = "approvals.rename_group"
    sentence = "Rename the group {subject} to {group_name}"

    group_name: str


@dataclass(frozen=True, kw_only=True)
class DeleteGroup(_OnGroup):
    """Delete a group that no policy refers to."""

    message_type = "approvals.delete_group"
    sentence = "Delete the group {subject}"


@dataclass(frozen=True, kw_only=True)
class AddToGroup(_OnUser):
    """Add a user to a group."""

    message_type = "approvals.add_to_group"

    group_id: int

    def describe(self, subject_label: str) -> str:
        return f"Add {subject_label} to {_group_label(self.group_id)}"


@dataclass(frozen=True, kw_only=True)
class RemoveFromGroup(_OnUser):
    """Remove a user from a group."""

    message_type = "approvals.remove_from_group"

    group_id: int

    def describe(self, subject_label: str) -> str:
        return f"Remove {subject_label} from {_group_label(self.group_id)}"
