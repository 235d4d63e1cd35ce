"""The built-in policy for policies and people: code instead of a row, so it cannot be edited away.

Two *Policy owners* other than the requester must approve commands that could undo approvals:
changes to policies, to the set of approvers, and to the right to make such changes. No setting
turns this off, and it applies to the system too. ``manage.py approvals_bootstrap`` names the first
owners.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group

from approvals.people.accounts import OWNERS
from approvals.people.commands import (
    AddToGroup,
    CreateGroup,
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
from approvals.policies import power
from approvals.policies.commands import CreatePolicy, DisablePolicy, EditPolicy, ReviewBreakGlass
from audit.messages.classes import Command
from audit.messages.exceptions import Conflict, Forbidden

FLOOR = "floor"
QUORUM = 2


class NoPolicyOwners(Forbidden):
    """There are no policy owners yet: run manage.py approvals_bootstrap first."""

    remedy = "Ask an operator to run manage.py approvals_bootstrap, once."


class CameUnderTheFloor(Conflict):
    """This now affects approvals, so it needs the owners' votes: resubmit it."""

    title = "Now under the built-in policy"
    remedy = "Ask the requester to resubmit the request."


def floor_for(command: Command) -> dict[str, Any] | None:
    """Return the requirements of the built-in policy for a command; None if it does not apply.

    :raises NoPolicyOwners: if no group could approve the command.
    """
    touches = _QUESTIONS.get(type(command))
    if touches is None or not touches(command):
        return None
    owners = Group.objects.filter(name=OWNERS).first()
    if owners is None:
        raise NoPolicyOwners
    rule = {"policy_id": FLOOR, "group_id": owners.pk, "group": owners.name, "quorum": QUORUM}
    return {
        "policies": [{"id": FLOOR, "version": 1, "governs": command.message_type}],
        "rules": [{"id": FLOOR, **rule}],
        # Whatever other policies say, the requester may not approve this.
        "options": {"requester_may_vote": False},
    }


def check_replay(command: Command, *, decision: dict[str, Any]) -> None:
    """Check that a command to which the built-in policy now applies was held under it.

    :raises CameUnderTheFloor: if it was held under other policies only.
    """
    requirements = decision.get("requirements", {"policies": []})
    if floor_for(command) is not None and not is_under_floor(requirements):
        raise CameUnderTheFloor


def is_under_floor(requirements: dict[str, Any]) -> bool:
    """Return True if the built-in policy is among a request's requirements."""
    return any(policy["id"] == FLOOR for policy in requirements["policies"])


def _always(_: Command) -> bool:
    return True


def _touches_person(command: Any) -> bool:
    return power.is_approver(command.user_id) or power.is_powerful(command.user_id)


def _touches_group(command: Any) -> bool:
    return power.are_used([command.group_id])


def _moves_power(command: Any) -> bool:
    return (
        _touches_group(command)
        or power.has_guarded_permission(command.group_id)
        or power.is_approver(command.user_id)
    )


def _names_owners(command: Any) -> bool:
    return bool(command.group_name == OWNERS)


_QUESTIONS: dict[type[Command], Callable[[Any], bool]] = {
    CreatePolicy: _always,
    EditPolicy: _always,
    DisablePolicy: _always,
    ReviewBreakGlass: _always,
    SetSuperuser: _always,
    SetUserActive: _touches_person,
    DeleteUser: _touches_person,
    SetStaff: _touches_person,
    RequirePasswordReset: _touches_person,
    SendPasswordLink: _touches_person,
    GrantPermission: lambda c: power.is_guarded_permission(c.permission) or _touches_person(c),
    RevokePermission: lambda c: power.is_guarded_permission(c.permission) or _touches_person(c),
    GrantGroupPermission: lambda c: power.is_guarded_permission(c.permission) or _touches_group(c),
    RevokeGroupPermission: lambda c: power.is_guarded_permission(c.permission) or _touches_group(c),
    AddToGroup: _moves_power,
    RemoveFromGroup: _moves_power,
    # A group with the owners' name would replace them.
    CreateGroup: _names_owners,
    RenameGroup: lambda c: _names_owners(c) or _touches_group(c),
    DeleteGroup: lambda c: _touches_group(c) or power.has_guarded_permission(c.group_id),
}
