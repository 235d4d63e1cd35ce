"""People and groups as approvals see them: who counts as an approver, since when, and by what."""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db.models import PROTECT, RESTRICT, Model, Q
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from approvals.models import ApprovalRequest, Rule, State
from approvals.people.events import MemberJoined, MemberLeft
from audit.bus.handling import subject
from audit.messages.exceptions import FieldError, Invalid
from audit.models.records import EventRecord

OWNERS = "Policy owners"
# Whoever has one of these could undo what approvals are for.
_POWERS = ("manage_policy", "manage_people", "break_glass")
_GUARDED_APPS = ("approvals", "audit")

# They keep no history of their own, and the password is no one's to see or compare.
subject("user", shown=("id", "username", "email", "is_active", "is_staff", "is_superuser"))(User)
subject("group", shown=("id", "name"))(Group)


def member_since(user_id: int, group_id: int) -> datetime | None:
    """Tell since when a person has been in a group; None if no command has put them there."""
    newest = (
        EventRecord.objects.filter(
            subject_type="group",
            subject_id=str(group_id),
            message_type__in=(MemberJoined.message_type, MemberLeft.message_type),
            data__user_id=user_id,
        )
        .order_by("-number")
        .first()
    )
    joined = newest is not None and newest.message_type == MemberJoined.message_type
    return newest.occurred_at if newest and joined else None


def are_used(group_ids: Collection[int]) -> bool:
    """Tell whether one of the groups decides something.

    It does where an enabled policy or a pending request counts on it, and where it owns policies.
    """
    return (
        Group.objects.filter(pk__in=group_ids, name=OWNERS).exists()
        or Rule.objects.filter(
            group_id__in=group_ids, is_dropped=False, policy__is_enabled=True
        ).exists()
        or any(map(_is_waited_for, group_ids))
    )


def is_approver(user_id: int) -> bool:
    """Tell whether a person, active or not, is in a group that decides something."""
    groups = Group.objects.filter(user__pk=user_id).values_list("pk", flat=True)
    return are_used(list(groups))


def is_powerful(user_id: int) -> bool:
    """Tell whether a person, if active, could undo what approvals are for."""
    powers = Permission.objects.filter(content_type__app_label="approvals", codename__in=_POWERS)
    return (
        User.objects.filter(pk=user_id)
        .filter(
            Q(is_superuser=True)
            | Q(user_permissions__in=powers)
            | Q(groups__permissions__in=powers)
        )
        .exists()
    )


def is_guarded_permission(permission: str) -> bool:
    """Tell whether a permission is one of approvals or of the audit log."""
    return permission.partition(".")[0] in _GUARDED_APPS


def has_guarded_permission(group_id: int) -> bool:
    """Tell whether a group hands such a permission to its people."""
    return Permission.objects.filter(
        group=group_id, content_type__app_label__in=_GUARDED_APPS
    ).exists()


def was_granted(user_id: int, permission: str) -> bool:
    """Tell whether somebody granted a person a permission: being superuser does not count."""
    app_label, _, codename = permission.partition(".")
    return (
        Permission.objects.filter(content_type__app_label=app_label, codename=codename)
        .filter(Q(user=user_id) | Q(group__user=user_id))
        .exists()
    )


def permission_named(name: str) -> Permission:
    """Find a permission by its name, as in ``apikeys.disable_apikey``.

    :raises Invalid: if there is none.
    """
    app_label, _, codename = name.partition(".")
    found = Permission.objects.filter(content_type__app_label=app_label, codename=codename).first()
    if found is None:
        words = "must be the name of a permission, such as apikeys.disable_apikey"
        raise Invalid(errors=[FieldError("permission", "unknown", words)])
    return found


def new_user(*, username: str, email: str) -> User:
    """Build a person's account, without a password that anybody could know.

    :raises Invalid: if the name or the address will not do.
    """
    user = User(username=username, email=email)
    user.set_unusable_password()
    _check_valid(user)
    return user


def new_group(name: str) -> Group:
    """Build a group.

    :raises Invalid: if the name is taken, or is none.
    """
    group = Group(name=name)
    _check_valid(group)
    return group


def rename(group: Group, name: str) -> None:
    """Give a group another name.

    :raises Invalid: if the name is taken, or is none.
    """
    group.name = name
    _check_valid(group)
    group.save(update_fields=["name"])


def rows_that_keep(row: User | Group) -> list[str]:
    """Name the kinds of rows that refer to a person or group, and do not outlive them."""
    return [
        str(related.related_model._meta.verbose_name_plural)
        for related in row._meta.related_objects
        if related.on_delete in (PROTECT, RESTRICT)
        and related.related_model._base_manager.filter(**{related.field.name: row.pk}).exists()
    ]


def password_link(user: User) -> str:
    """Make a link with which a person can set a password, once and for some days."""
    identifier = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    return settings.BASE_URL + reverse("password_reset_confirm", args=[identifier, token])


def _check_valid(row: Model) -> None:
    try:
        row.full_clean(exclude=["password"])
    except ValidationError as error:
        problems = [
            FieldError(name, "invalid", " ".join(messages))
            for name, messages in error.message_dict.items()
        ]
        raise Invalid(errors=problems) from error


def _is_waited_for(group_id: int) -> bool:
    return ApprovalRequest.objects.filter(
        state=State.PENDING, requirements__rules__contains=[{"group_id": group_id}]
    ).exists()
