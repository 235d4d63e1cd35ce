"""Events of people, groups and their permissions."""

from dataclasses import dataclass

from audit.messages.classes import Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class _OfUser(Event):
    subject = SubjectOf("user", "user_id")

    user_id: int


@dataclass(frozen=True, kw_only=True)
class _OfGroup(Event):
    subject = SubjectOf("group", "group_id")

    group_id: int


@dataclass(frozen=True, kw_only=True)
class UserCreated(_OfUser):
    """A person has an account."""

    message_type = "approvals.user_created"

    username: str


@dataclass(frozen=True, kw_only=True)
class PasswordLinkSent(_OfUser):
    """A person was sent a link to set a password with."""

    message_type = "approvals.password_link_sent"


@dataclass(frozen=True, kw_only=True)
class PasswordResetRequired(_OfUser):
    """A person's password became unusable, and their sessions ended."""

    message_type = "approvals.password_reset_required"


@dataclass(frozen=True, kw_only=True)
class SecondFactorReset(_OfUser):
    """A person's second factor was removed, and the sessions that began with it have ended."""

    message_type = "approvals.second_factor_reset"


@dataclass(frozen=True, kw_only=True)
class UserActivated(_OfUser):
    """A person's account is active."""

    message_type = "approvals.user_activated"


@dataclass(frozen=True, kw_only=True)
class UserDeactivated(_OfUser):
    """A person's account was deactivated."""

    message_type = "approvals.user_deactivated"


@dataclass(frozen=True, kw_only=True)
class UserDeleted(_OfUser):
    """A person's account was deleted."""

    message_type = "approvals.user_deleted"

    username: str


@dataclass(frozen=True, kw_only=True)
class AdminAccessSet(_OfUser):
    """A person may now enter the admin pages, or no longer."""

    message_type = "approvals.staff_set"

    is_staff: bool


@dataclass(frozen=True, kw_only=True)
class SuperuserStatusSet(_OfUser):
    """A person now has every permission, or no longer."""

    message_type = "approvals.superuser_set"

    is_superuser: bool


@dataclass(frozen=True, kw_only=True)
class PermissionGranted(_OfUser):
    """A person was granted a permission."""

    message_type = "approvals.permission_granted"

    permission: str


@dataclass(frozen=True, kw_only=True)
class PermissionRevoked(_OfUser):
    """A person's permission was revoked."""

    message_type = "approvals.permission_revoked"

    permission: str


@dataclass(frozen=True, kw_only=True)
class GroupPermissionGranted(_OfGroup):
    """The people of a group were granted a permission."""

    message_type = "approvals.group_permission_granted"

    permission: str


@dataclass(frozen=True, kw_only=True)
class GroupPermissionRevoked(_OfGroup):
    """A permission of the people of a group was revoked."""

    message_type = "approvals.group_permission_revoked"

    permission: str


@dataclass(frozen=True, kw_only=True)
class GroupCreated(_OfGroup):
    """A group was created."""

    message_type = "approvals.group_created"

    group_name: str


@dataclass(frozen=True, kw_only=True)
class GroupRenamed(_OfGroup):
    """A group was renamed."""

    message_type = "approvals.group_renamed"

    group_name: str


@dataclass(frozen=True, kw_only=True)
class GroupDeleted(_OfGroup):
    """A group was deleted."""

    message_type = "approvals.group_deleted"

    group_name: str


@dataclass(frozen=True, kw_only=True)
class MemberJoined(_OfGroup):
    """A person became a member of a group."""

    message_type = "approvals.member_joined"

    user_id: int


@dataclass(frozen=True, kw_only=True)
class MemberLeft(_OfGroup):
    """A person is no longer a member of a group."""

    message_type = "approvals.member_left"

    user_id: int
