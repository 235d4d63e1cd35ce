"""Events of people, groups and their permissions."""

from dataclasses import dataclass

from audit.messages.classes import Event, SubjectOf

_USER = SubjectOf("user", "user_id")
_GROUP = SubjectOf("group", "group_id")


@dataclass(frozen=True, kw_only=True)
class UserCreated(Event):
    """A person has an account."""

    message_type = "approvals.user_created"
    subject = _USER

    user_id: int
    username: str


@dataclass(frozen=True, kw_only=True)
class PasswordLinkSent(Event):
    """A person was sent a link to set a password with."""

    message_type = "approvals.password_link_sent"
    subject = _USER

    user_id: int


@dataclass(frozen=True, kw_only=True)
class PasswordResetRequired(Event):
    """A person's password became unusable, and their sessions ended."""

    message_type = "approvals.password_reset_required"
    subject = _USER

    user_id: int


@dataclass(frozen=True, kw_only=True)
class UserActivated(Event):
    """A person's account is active."""

    message_type = "approvals.user_activated"
    subject = _USER

    user_id: int


@dataclass(frozen=True, kw_only=True)
class UserDeactivated(Event):
    """A person's account was deactivated."""

    message_type = "approvals.user_deactivated"
    subject = _USER

    user_id: int


@dataclass(frozen=True, kw_only=True)
class UserDeleted(Event):
    """A person's account was deleted."""

    message_type = "approvals.user_deleted"
    subject = _USER

    user_id: int
    username: str


@dataclass(frozen=True, kw_only=True)
class StaffSet(Event):
    """A person may now enter the admin pages, or no longer."""

    message_type = "approvals.staff_set"
    subject = _USER

    user_id: int
    is_staff: bool


@dataclass(frozen=True, kw_only=True)
class SuperuserSet(Event):
    """A person now has every permission, or no longer."""

    message_type = "approvals.superuser_set"
    subject = _USER

    user_id: int
    is_superuser: bool


@dataclass(frozen=True, kw_only=True)
class PermissionGranted(Event):
    """A person was granted a permission."""

    message_type = "approvals.permission_granted"
    subject = _USER

    user_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class PermissionRevoked(Event):
    """A person's permission was revoked."""

    message_type = "approvals.permission_revoked"
    subject = _USER

    user_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class GroupPermissionGranted(Event):
    """The people of a group were granted a permission."""

    message_type = "approvals.group_permission_granted"
    subject = _GROUP

    group_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class GroupPermissionRevoked(Event):
    """A permission of the people of a group was revoked."""

    message_type = "approvals.group_permission_revoked"
    subject = _GROUP

    group_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class GroupCreated(Event):
    """A group was created."""

    message_type = "approvals.group_created"
    subject = _GROUP

    group_id: int
    group_name: str


@dataclass(frozen=True, kw_only=True)
class GroupRenamed(Event):
    """A group was renamed."""

    message_type = "approvals.group_renamed"
    subject = _GROUP

    group_id: int
    group_name: str


@dataclass(frozen=True, kw_only=True)
class GroupDeleted(Event):
    """A group was deleted."""

    message_type = "approvals.group_deleted"
    subject = _GROUP

    group_id: int
    group_name: str


@dataclass(frozen=True, kw_only=True)
class MemberJoined(Event):
    """A person became a member of a group."""

    message_type = "approvals.member_joined"
    subject = _GROUP

    group_id: int
    user_id: int


@dataclass(frozen=True, kw_only=True)
class MemberLeft(Event):
    """A person is no longer a member of a group."""

    message_type = "approvals.member_left"
    subject = _GROUP

    group_id: int
    user_id: int
