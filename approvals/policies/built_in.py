"""The built-in policy for policies and people: code instead of a row, so it cannot be edited away.

Two *Policy owners* other than the requester must approve commands that could undo approvals:
changes to policies, to the set of approvers, and to the right to make such changes. No setting
turns this off, and it applies to the system too. ``manage.py approvals_bootstrap`` names the first
owners.
"""

from collections.abc import Callable, Collection
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.delegations.commands import Delegate
from approvals.models import ApprovalRequest
from approvals.passkeys.commands import ResetPasskeys
from approvals.people import commands as people
from approvals.people import roles
from approvals.people.accounts import OWNERS
from approvals.policies import power
from approvals.policies.commands import CreatePolicy, DisablePolicy, EditPolicy, ReviewBreakGlass
from audit.installation.settings import countersign
from audit.messages.classes import Command
from audit.messages.exceptions import Conflict, Forbidden

BUILT_IN_ID = "floor"
QUORUM = 2


class NoPolicyOwners(Forbidden):
    """There are no policy owners yet: run manage.py approvals_bootstrap first."""

    remedy = "Ask an operator to run manage.py approvals_bootstrap, once."


class CameUnderTheFloor(Conflict):
    """This now affects approvals, so it needs the owners' votes: resubmit it."""

    title = "Now under the built-in policy"
    remedy = "Ask the requester to resubmit the request."


def built_in_requirements(command: Command) -> dict[str, Any] | None:
    """Return the requirements of the built-in policy for a command; None if it does not apply.

    :raises NoPolicyOwners: if no group could approve the command.
    """
    touches = _GUARDED.get(type(command))
    if touches is None or not touches(command):
        return None
    owners = Group.objects.filter(name=OWNERS).first()
    if owners is None:
        raise NoPolicyOwners
    required = requirements_of(owners.pk, owners.name, governs=command.message_type)
    # Whatever other policies say, a review is decided.
    return required | {"options": required["options"] | _review_options(command)}


def requirements_of(group_id: int, name: str, *, governs: str) -> dict[str, Any]:
    """Return the requirements of the built-in policy, with the group of policy owners."""
    rule = {"policy_id": BUILT_IN_ID, "group_id": group_id, "group": name, "quorum": QUORUM}
    return {
        "policies": [{"id": BUILT_IN_ID, "version": 1, "governs": governs}],
        "rules": [{"id": BUILT_IN_ID, **rule}],
        # Whatever other policies say, the requester may not approve this.
        "options": {"requester_may_vote": False},
    }


def _review_options(command: Command) -> dict[str, Any]:
    """Return the options of a review: it never expires, whatever other policies say."""
    is_review = isinstance(command, ReviewBreakGlass)
    return {"must_be_decided": True, "execute_within_s": None} if is_review else {}


def must_be_decided(request: ApprovalRequest) -> bool:
    """Return True for the review of a use of break-glass, which its requester cannot withdraw."""
    return request.message_type == ReviewBreakGlass.message_type


def check_replay(command: Command, *, decision: dict[str, Any]) -> None:
    """Check that a command to which the built-in policy now applies was held under it.

    :raises CameUnderTheFloor: if it was held under other policies only.
    """
    requirements = decision.get("requirements", {"policies": []})
    if built_in_requirements(command) is not None and not includes_built_in(requirements):
        raise CameUnderTheFloor


def includes_built_in(requirements: dict[str, Any]) -> bool:
    """Return True if the built-in policy is among a request's requirements."""
    return any(policy["id"] == BUILT_IN_ID for policy in requirements["policies"])


def guarded_classes() -> Collection[type[Command]]:
    """Return the types of commands to which the built-in policy may apply."""
    return _GUARDED.keys()


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


def _changes_permission_of_person(command: Any) -> bool:
    return power.is_guarded_permission(command.permission) or _touches_person(command)


def _changes_permission_of_group(command: Any) -> bool:
    return power.is_guarded_permission(command.permission) or _touches_group(command)


def _is_long(command: Delegate) -> bool:
    """Return True if a delegation ends late: no series of short ones is made in advance."""
    return command.ends_at > timezone.now() + countersign().delegate_up_to


def _names_owners(command: Any) -> bool:
    return bool(command.group_name == OWNERS)


_GUARDED: dict[type[Command], Callable[[Any], bool]] = {
    CreatePolicy: _always,
    EditPolicy: _always,
    DisablePolicy: _always,
    ReviewBreakGlass: _always,
    Delegate: _is_long,
    # After it, a password is enough for a new passkey.
    ResetPasskeys: _always,
    # Among their parts are permissions on approvals.
    roles.CreateApprover: _always,
    roles.GrantApproverRole: _always,
    roles.RevokeApproverRole: _always,
    people.SetSuperuserStatus: _always,
    people.SetAccountStatus: _touches_person,
    people.DeleteUser: _touches_person,
    people.SetAdminAccess: _touches_person,
    people.RequirePasswordReset: _touches_person,
    people.SendPasswordLink: _touches_person,
    people.ResetSecondFactor: _touches_person,
    people.GrantPermission: _changes_permission_of_person,
    people.RevokePermission: _changes_permission_of_person,
    people.GrantGroupPermission: _changes_permission_of_group,
    people.RevokeGroupPermission: _changes_permission_of_group,
    people.AddToGroup: _moves_power,
    people.RemoveFromGroup: _moves_power,
    # A group with the owners' name would replace them.
    people.CreateGroup: _names_owners,
    people.RenameGroup: lambda c: _names_owners(c) or _touches_group(c),
    people.DeleteGroup: lambda c: _touches_group(c) or power.has_guarded_permission(c.group_id),
}
