"""Power over approvals: the people, groups and permissions that the built-in policy guards."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.utils import timezone

from approvals.models import ApprovalRequest, Delegation, Rule, State
from approvals.people.accounts import OWNERS
from approvals.policies.commands import CreatePolicy, EditPolicy
from approvals.sealing.payloads import Unloadable
from audit.installation import users

# Each of these permissions allows its holder to undo approvals.
_POWERS = ("manage_policy", "manage_people", "break_glass")
_GUARDED_APPS = ("approvals", "audit")
_DRAFTS = (CreatePolicy, EditPolicy)
_OPEN = Q(state=State.PENDING) | Q(is_retriable=True)


def are_used(group_ids: Collection[int]) -> bool:
    """Return True if one of the groups decides something, or would under a proposed policy.

    A group does if it is *Policy owners*, or an enabled policy or an open request depends on it.
    """
    # Most people belong to no group, and a second factor may be required of them on every page.
    return bool(group_ids) and (
        Group.objects.filter(pk__in=group_ids, name=OWNERS).exists()
        or Rule.objects.filter(
            group_id__in=group_ids, is_dropped=False, policy__is_enabled=True
        ).exists()
        or any(map(_is_waited_for, group_ids))
        or any(not _proposed_groups(each).isdisjoint(group_ids) for each in _proposals())
    )


def is_approver(user_id: int) -> bool:
    """Return True if a user, active or not, is in a group that decides something, or may be.

    A delegate decides like a member.
    """
    groups = Group.objects.filter(user__pk=user_id).values_list("pk", flat=True)
    delegations = Delegation.objects.filter(delegate=user_id, ends_at__gt=timezone.now())
    delegated = (group for each in delegations for group in each.groups)
    return are_used([*groups, *delegated])


def is_powerful(user_id: int) -> bool:
    """Return True if a user, once active, could undo approvals."""
    powers = Permission.objects.filter(content_type__app_label="approvals", codename__in=_POWERS)
    return (
        users.manager()
        .filter(pk=user_id)
        .filter(
            Q(is_superuser=True)
            | Q(user_permissions__in=powers)
            | Q(groups__permissions__in=powers)
        )
        .exists()
    )


def decides(user_id: int) -> bool:
    """Return True if a user may vote, change policies, or otherwise undo approvals."""
    return is_approver(user_id) or is_powerful(user_id)


def is_guarded_permission(permission: str) -> bool:
    """Return True if the permission belongs to approvals or the audit log."""
    return permission.partition(".")[0] in _GUARDED_APPS


def has_guarded_permission(group_id: int) -> bool:
    """Return True if the group grants such a permission."""
    return Permission.objects.filter(
        group=group_id, content_type__app_label__in=_GUARDED_APPS
    ).exists()


def _is_waited_for(group_id: int) -> bool:
    return ApprovalRequest.objects.filter(
        _OPEN, requirements__rules__contains=[{"group_id": group_id}]
    ).exists()


def _proposals() -> Iterator[ApprovalRequest]:
    """Yield the requests for new policies and new versions that can still take effect."""
    names = [name for each in _DRAFTS for name in (each.message_type, *each.aliases)]
    for request in ApprovalRequest.objects.filter(_OPEN, message_type__in=names):
        if request.is_open:
            yield request


def _proposed_groups(request: ApprovalRequest) -> set[int]:
    """Return the groups that a proposed policy names; none if it can no longer be loaded."""
    with suppress(Unloadable):
        command: Any = request.command()
        return set(command.groups)
    return set()
