"""The policy that guards policies and people: code, not a row, so that nobody can edit it away.

Two people of *Policy owners*, other than whoever asks, approve what could undo approvals: changing
a policy, who counts as an approver, and who may do so. No setting turns it off, and it holds for
the system as well. The first owners are named by ``manage.py approvals_bootstrap``.
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
    """Say what a command has to meet whatever the policies say; None for what is not governed.

    :raises NoPolicyOwners: if there is no group that could approve it.
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
        # Whatever other policies say: who asks for this does not approve it.
        "options": {"requester_may_vote": False},
    }


def check_replay(command: Command, *, decision: dict[str, Any]) -> None:
    """Refuse what has come under the floor since it was held, and was approved by others only.

    :raises CameUnderTheFloor: if it was held for the sake of other policies alone.
    """
    requirements = decision.get("requirements", {"policies": []})
    if floor_for(command) is not None and not is_under_floor(requirements):
        raise CameUnderTheFloor


def is_under_floor(requirements: dict[str, Any]) -> bool:
    """Tell whether the floor is among what a request has to meet."""
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
    # A group that takes the owners' name would take their place.
    CreateGroup: _names_owners,
    RenameGroup: lambda c: _names_owners(c) or _touches_group(c),
    DeleteGroup: lambda c: _touches_group(c) or power.has_guarded_permission(c.group_id),
}
