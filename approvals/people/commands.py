"""Commands on people, groups and their permissions. No command contains a password.

One that takes something away depends on nothing that its subject could change meanwhile.
"""

from dataclasses import dataclass

from django.contrib.auth.models import Group

from audit.installation import users
from audit.messages.characters import quoted
from audit.messages.classes import Command, SubjectOf

MANAGE_PEOPLE = "approvals.manage_people"
_THE_USER = SubjectOf("user", "user_id")


def group_label(group_id: int) -> str:
    """Return the name and id of a group, for sentences."""
    name = Group.objects.filter(pk=group_id).values_list("name", flat=True).first()
    return f"{quoted(name)} (group {group_id})" if name else f"group {group_id}"


@dataclass(frozen=True, kw_only=True)
class OnUser(Command):
    """A command on a user."""

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
    depends_on = ()

    username: str
    email: str = ""
    confirm_similar_name: bool = False


@dataclass(frozen=True, kw_only=True)
class SendPasswordLink(OnUser):
    """E-mail a password link to the user's address on file."""

    message_type = "approvals.send_password_link"
    sentence = "Send {subject} a password link"
    depends_on = tuple(filter(None, (users.name_field(), users.email_field(), "is_active")))


@dataclass(frozen=True, kw_only=True)
class RequirePasswordReset(OnUser):
    """Make a user's password unusable, and end all sessions of the user."""

    message_type = "approvals.require_password_reset"
    sentence = "Make the password of {subject} unusable and end their sessions"
    depends_on = ()


@dataclass(frozen=True, kw_only=True)
class ResetSecondFactor(OnUser):
    """Remove the second factor of a user, who sets up another one at the next sign-in."""

    message_type = "approvals.reset_second_factor"
    sentence = "Reset the second factor of {subject}"
    depends_on = ()


@dataclass(frozen=True, kw_only=True)
class SetAccountStatus(OnUser):
    """Activate or deactivate a user account."""

    message_type = "approvals.set_user_active"
    empowers = _THE_USER
    depends_on = ("is_active",)

    is_active: bool

    def describe(self, subject_label: str) -> str:
        return f"{'Activate' if self.is_active else 'Deactivate'} the account of {subject_label}"


@dataclass(frozen=True, kw_only=True)
class DeleteUser(OnUser):
    """Delete a user account that no other record refers to."""

    message_type = "approvals.delete_user"
    sentence = "Delete the user {subject}"
    depends_on = ()


@dataclass(frozen=True, kw_only=True)
class SetAdminAccess(OnUser):
    """Grant or revoke access to the admin pages."""

    message_type = "approvals.set_staff"
    depends_on = (users.staff_field(),)

    is_staff: bool

    def describe(self, subject_label: str) -> str:
        if self.is_staff:
            return f"Grant {subject_label} access to the admin pages"
        return f"Revoke the access of {subject_label} to the admin pages"


@dataclass(frozen=True, kw_only=True)
class SetSuperuserStatus(OnUser):
    """Grant or revoke superuser status."""

    message_type = "approvals.set_superuser"
    empowers = _THE_USER
    depends_on = ("is_superuser",)

    is_superuser: bool

    def describe(self, subject_label: str) -> str:
        if self.is_superuser:
            return f"Grant {subject_label} superuser status"
        return f"Revoke the superuser status of {subject_label}"


@dataclass(frozen=True, kw_only=True)
class GrantPermission(OnUser):
    """Grant a user a permission, such as ``apikeys.disable_apikey``."""

    message_type = "approvals.grant_permission"
    empowers = _THE_USER
    sentence = "Grant {subject} the permission {permission}"
    depends_on = (users.name_field(), "is_active")

    permission: str


@dataclass(frozen=True, kw_only=True)
class RevokePermission(OnUser):
    """Revoke a permission from a user."""

    message_type = "approvals.revoke_permission"
    sentence = "Revoke the permission {permission} from {subject}"
    depends_on = ()

    permission: str


@dataclass(frozen=True, kw_only=True)
class GrantGroupPermission(_OnGroup):
    """Grant a group a permission."""

    message_type = "approvals.grant_group_permission"
    empowers = SubjectOf("group", "group_id")
    sentence = "Grant the group {subject} the permission {permission}"
    depends_on = ("name",)

    permission: str


@dataclass(frozen=True, kw_only=True)
class RevokeGroupPermission(_OnGroup):
    """Revoke a permission from a group."""

    message_type = "approvals.revoke_group_permission"
    sentence = "Revoke the permission {permission} from the group {subject}"
    depends_on = ()

    permission: str


@dataclass(frozen=True, kw_only=True)
class CreateGroup(Command):
    """Create a group."""

    message_type = "approvals.create_group"
    required_permission = MANAGE_PEOPLE
    sentence = "Create the group {group_name}"
    depends_on = ()

    group_name: str
    confirm_similar_name: bool = False


@dataclass(frozen=True, kw_only=True)
class RenameGroup(_OnGroup):
    """Rename a group."""

    message_type = "approvals.rename_group"
    sentence = "Rename the group {subject} to {group_name}"
    depends_on = ("name",)

    group_name: str
    confirm_similar_name: bool = False


@dataclass(frozen=True, kw_only=True)
class DeleteGroup(_OnGroup):
    """Delete a group that no policy refers to."""

    message_type = "approvals.delete_group"
    sentence = "Delete the group {subject}"
    depends_on = ()


@dataclass(frozen=True, kw_only=True)
class AddToGroup(OnUser):
    """Add a user to a group."""

    message_type = "approvals.add_to_group"
    empowers = _THE_USER
    depends_on = (users.name_field(), "is_active")

    group_id: int

    def describe(self, subject_label: str) -> str:
        return f"Add {subject_label} to {group_label(self.group_id)}"


@dataclass(frozen=True, kw_only=True)
class RemoveFromGroup(OnUser):
    """Remove a user from a group."""

    message_type = "approvals.remove_from_group"
    depends_on = ()

    group_id: int

    def describe(self, subject_label: str) -> str:
        return f"Remove {subject_label} from {group_label(self.group_id)}"
